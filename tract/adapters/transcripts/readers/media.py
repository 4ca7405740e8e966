"""Pictures, sounds and documents as parts of chat completions messages.

    image/*                        {"type": "image_url", "image_url": {"url"}}
    audio/wav, audio/mpeg          {"type": "input_audio", "input_audio": {"data", "format": "wav" | "mp3"}}
    any other type of data         {"type": "file", "file": {"filename", "file_data": data URL}}
    an address of no picture       {"type": "file", "file": {"file_url"}}, which Responses, Anthropic and Gemini have

A sound that Gemini was given stays a file, because only a file becomes Gemini's data again.
"""

from __future__ import annotations

from tract.adapters.transcripts.conversations import Report
from tract.messages.values import split_data_url
from tract.objects.message_format import JSON

_SOUNDS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
_DOCUMENTS = ("application/pdf", "text/")


def media_part(kind: JSON, url: str) -> dict[str, JSON]:
    """The part for the media type *kind* at *url*, which may be a data URL; a picture if no type is known."""
    data = split_data_url(url)
    form = _SOUNDS.get(data[0]) if data is not None else None
    if data is not None and form is not None:
        return {"type": "input_audio", "input_audio": {"data": data[1], "format": form}}
    return file_part(kind, url)


def file_part(kind: JSON, url: str) -> dict[str, JSON]:
    """The part for the media type *kind* at *url*: a picture if no type is known, else a file."""
    data = split_data_url(url)
    known = data[0] if data is not None else str(kind or "")
    if "/" not in known or known.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": url}}
    if data is None:
        return {"type": "file", "file": {"file_url": url}}
    return {"type": "file", "file": {"filename": f"file.{known.partition('/')[2]}", "file_data": url}}


def note_media(message: dict[str, JSON], line: int | None, report: Report) -> None:
    """Say which files of *message* chat completions has no form for."""
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        file = part["file"] if part.get("type") == "file" else {}
        data = split_data_url(file.get("file_data") or "")
        if "file_url" in file or (data is not None and not data[0].startswith(_DOCUMENTS)):
            what = data[0] if data is not None else "an address"
            report.note_once(line, f"a file with {what[:60]!a} is kept, but chat completions refuses it")
