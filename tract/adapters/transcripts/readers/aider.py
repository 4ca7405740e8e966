"""The chat history of aider, in Markdown: ``.aider.chat.history.md``.

    # aider chat started at 2026-01-01 00:00:00     a chat begins
    #### the user's text                             each line of it
    > the program's text                             a note for the user: left out, and counted
    anything else                                    the model's answer

A line of the user's begins with ``#### `` and ends with two blanks; a line of an answer that begins so cannot be told apart.
Source: aider, ``io.py`` (``append_chat_history``, ``user_input``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear
from tract.adapters.transcripts.readers.building import numbered
from tract.adapters.transcripts.strictjson import first_bad_byte

_BEGIN = re.compile(r"# aider chat started at (.*)")


def is_aider_history(head: bytes) -> bool:
    """Whether a file that begins with *head* is such a history."""
    return re.match(rb"(\xef\xbb\xbf)?\s*# aider chat started at ", head) is not None


def read_aider(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """A conversation for each chat that has a message."""
    data = found.values[0].read()
    if (at := first_bad_byte(data)) is not None:
        report(
            data.count(b"\n", 0, at) + 1,
            f"not UTF-8 at byte {at + 1}; the bytes that are not UTF-8 were replaced by U+FFFD",
        )
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").replace("\r\n", "\n").removesuffix("\n")
    number = 0
    chats: list[tuple[str, list[tuple[int, str]]]] = []
    for line, words in enumerate(text.split("\n"), 1):
        begun = _BEGIN.match(words)
        if begun:
            chats.append((begun[1].strip(), []))
        elif chats:
            chats[-1][1].append((line, words))
    for started, lines in chats:
        turns = _turns(lines, report)
        if turns:
            yield linear(numbered(name, number), turns, {"started": started})
            number += 1
    if not number:
        report(None, "no message in it")


def _turns(lines: list[tuple[int, str]], report: Report) -> list[Turn]:
    turns: list[Turn] = []
    for kind, group in groupby(lines, key=lambda one: _kind(one[1])):
        of_kind = list(group)
        words = "\n".join(_said(kind, line) for _, line in of_kind).strip()
        if not words or kind == "note":
            if words:
                report.note_once(of_kind[0][0], "what the program said to the user is left out")
            continue
        role = "user" if kind == "user" else "assistant"
        if turns and turns[-1].message["role"] == role == "assistant":
            turns[-1].message["content"] += f"\n\n{words}"  # a note stood between
            continue
        turns.append(Turn({"role": role, "content": words}, "openai", line=of_kind[0][0]))
    return turns


def _kind(line: str) -> str:
    return "user" if line.startswith("####") else "note" if line.startswith(">") else "answer"


def _said(kind: str, line: str) -> str:
    return line.removeprefix("####").strip() if kind == "user" else line.rstrip()
