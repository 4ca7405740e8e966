"""Messages of Amazon Bedrock's Converse API.

    {"role": "user" | "assistant", "content": [block, …]}
    {"text"}   {"toolUse": {"toolUseId", "name", "input"}}   {"toolResult": {"toolUseId", "content": [{"text"} | {"json"}], "status"}}
    {"image": {"format", "source": {"bytes"}}}   {"reasoningContent": {"reasoningText": {"text", "signature"}} | {"redactedContent"}}   {"cachePoint"}
    {"citationsContent": {"content": [{"text"}], "citations"}}   {"guardContent": {"text": {"text"}}}
    {"document": {"name", "source": {"text"}}}   {"searchResult": {"title", "source", "content": [{"text"}]}}
    {"output": {"message": …}, "usage": {"inputTokens", "outputTokens"}, "stopReason"}     an answer, beside the messages

They become Anthropic messages, whose shape they have; if the original message has more, it is in the turn's metadata, under ``bedrock``.
Source: the API's reference (``Message``, ``ContentBlock``).
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear
from tract.adapters.transcripts.formats import among
from tract.adapters.transcripts.readers.building import model_config, objects_in, plain_turn
from tract.adapters.transcripts.readers.messages import keep_beside
from tract.adapters.transcripts.strictjson import describe
from tract.objects.json import compact_json
from tract.objects.message_format import JSON

_BLOCKS = frozenset({"text", "toolUse", "toolResult", "image", "document", "video", "audio", "reasoningContent", "cachePoint", "guardContent", "citationsContent", "searchResult"})  # fmt: skip
_READ = frozenset({"text", "toolUse", "toolResult", "image", "reasoningContent", "cachePoint"})
_WORDS = frozenset({"citationsContent", "guardContent"})
"""Blocks of text, which are read as their text."""


def is_bedrock_message(value: JSON) -> bool:
    """Whether *value* is such a message."""
    content = (
        value.get("content") if isinstance(value, dict) and among(value.get("role"), ("user", "assistant")) else None
    )
    if not isinstance(content, list) or not all(isinstance(block, dict) and "type" not in block for block in content):
        return False
    return any(not _BLOCKS.isdisjoint(block) for block in content)


def read_bedrock(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The found messages as a conversation; nothing if none can be read."""
    beside = dict(found.beside)
    turns: list[Turn] = []
    system = beside.get("system")
    texts = [system] if isinstance(system, str) and system else []
    for block in objects_in(system):
        said = [block["text"]] if isinstance(block.get("text"), str) else _texts("guardContent", block.get("guardContent"))  # fmt: skip
        texts += said
        if not said and "cachePoint" not in block:
            report(found.line(0), f"'system' beside the messages: a block without a text: {describe(block)}")
    if texts:
        del beside["system"]
        turns.append(
            Turn({"role": "system", "content": "\n\n".join(texts)}, "anthropic", metadata={"beside": "system"})
        )
    for index, value in enumerate(found.values):
        if (plain := plain_turn(value, found.line(index))) is not None:
            turns.append(plain)
            continue
        if not is_bedrock_message(value):
            report(found.line(index), f"{found.place}[{index}]: not a message of Bedrock's")
            continue
        turns.append(bedrock_turn(value, found.line(index), f"{found.place}[{index}]", report))
    output = beside.get("output")
    if isinstance(output, dict) and is_bedrock_message(output.get("message")):
        del beside["output"]
        turn = bedrock_turn(output["message"], found.line(0), "output", report)
        turns.append(turn._replace(usage=bedrock_usage(beside.get("usage"))))
    if not turns:
        report(found.line(0), f"{found.place or 'conversation'}: no message in it")
        return
    if turns[-1].message["role"] == "assistant":
        turns[-1] = turns[-1]._replace(config=model_config(beside.get("modelId")))
    yield linear(name, turns, keep_beside(beside, found.place, found.line(0), report))


def bedrock_turn(value: dict[str, JSON], line: int | None, where: str, report: Report) -> Turn:
    """The message as a turn; parts without a counterpart are reported."""
    blocks = [made for block in value["content"] for made in _blocks(block)]
    for block in value["content"]:
        for key in block:
            if key not in _READ and not _texts(key, block[key]):
                report.note_once(line, f"{where}: a block with {key[:40]!a} is only in the metadata", f"bedrock {key}")
    is_text = len(blocks) == 1 and blocks[0].keys() == {"type", "text"}
    message = {"role": value["role"], "content": blocks[0]["text"] if is_text else blocks}
    kept = {"bedrock": value} if any(block.keys() != {"text"} for block in value["content"]) else {}
    return Turn(message, "anthropic", metadata=kept, line=line)


def _blocks(block: dict[str, JSON]) -> Iterator[dict[str, JSON]]:
    use, given, thought, image = (block.get(key) for key in ("toolUse", "toolResult", "reasoningContent", "image"))
    if isinstance(block.get("text"), str):
        yield {"type": "text", "text": block["text"]}
    if isinstance(use, dict):
        yield {"type": "tool_use", "id": use.get("toolUseId"), "name": use.get("name"), "input": use.get("input") or {}}
    if isinstance(given, dict):
        texts = [part["text"] if isinstance(part.get("text"), str) else compact_json(part.get("json", part)) for part in objects_in(given.get("content"))]  # fmt: skip
        failed = {"is_error": True} if given.get("status") == "error" else {}
        yield {"type": "tool_result", "tool_use_id": given.get("toolUseId"), "content": "\n".join(texts), **failed}
    if isinstance(thought, dict) and isinstance(thought.get("reasoningText"), dict):
        said = thought["reasoningText"]
        signed = {"signature": said["signature"]} if isinstance(said.get("signature"), str) else {}
        yield {"type": "thinking", "thinking": said.get("text") or "", **signed}
    if isinstance(image, dict) and isinstance(image.get("source"), dict) and isinstance(image["source"].get("bytes"), str):  # fmt: skip
        source = {"type": "base64", "media_type": f"image/{image.get('format')}", "data": image["source"]["bytes"]}
        yield {"type": "image", "source": source}
    if isinstance(thought, dict) and isinstance(thought.get("redactedContent"), str):
        yield {"type": "redacted_thinking", "data": thought["redactedContent"]}
    for key in [key for key in block if key not in _READ]:
        texts = _texts(key, block[key])
        named = [] if texts and key in _WORDS else [f"[{key}]"]
        yield {"type": "text", "text": "\n".join([*named, *texts])}


def _texts(key: str, value: JSON) -> list[str]:
    """The texts of a block other than the common ones."""
    inner = value if isinstance(value, dict) else {}
    said = objects_in(inner.get("content"))
    if key == "guardContent":
        said = [inner["text"]] if isinstance(inner.get("text"), dict) else []
    elif key == "document":
        source = inner["source"] if isinstance(inner.get("source"), dict) else {}
        said = (
            [{"text": inner.get("name")}, source, *objects_in(source.get("content"))]
            if source.keys() & {"text", "content"}
            else []
        )
    elif key == "searchResult":
        said = [{"text": inner.get("title")}, {"text": inner.get("source")}, *said]
    return [one["text"] for one in said if isinstance(one.get("text"), str)]


def bedrock_usage(usage: JSON) -> dict[str, JSON] | None:
    """The usage of an answer, under Anthropic's names."""
    if not isinstance(usage, dict):
        return None
    read, written = usage.get("cacheReadInputTokens") or 0, usage.get("cacheWriteInputTokens") or 0
    return {"input_tokens": usage.get("inputTokens") or 0, "output_tokens": usage.get("outputTokens") or 0, "cache_read_input_tokens": read, "cache_creation_input_tokens": written}  # fmt: skip
