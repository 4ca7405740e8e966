"""Messages of Amazon Bedrock's Converse API.

    {"role": "user" | "assistant", "content": [block, …]}
    {"text"}   {"toolUse": {"toolUseId", "name", "input"}}   {"toolResult": {"toolUseId", "content": [{"text"} | {"json"}], "status"}}
    {"image": {"format", "source": {"bytes"}}}   {"reasoningContent": {"reasoningText": {"text", "signature"}}}   {"cachePoint"}
    {"output": {"message": …}, "usage": {"inputTokens", "outputTokens"}, "stopReason"}     an answer, beside the messages

They become Anthropic's messages, whose shape they have; the message as it was stands in the turn's metadata, under ``bedrock``, where it has more.
Source: the API's reference (``Message``, ``ContentBlock``).
"""

from __future__ import annotations

from collections.abc import Iterator

from tract.adapters.transcripts.conversations import Conversation, Found, Report, Turn, linear
from tract.adapters.transcripts.formats import among
from tract.adapters.transcripts.readers.building import model_config, objects_in
from tract.adapters.transcripts.readers.messages import keep_beside
from tract.objects.json import compact_json
from tract.objects.message_format import JSON

_BLOCKS = frozenset({"text", "toolUse", "toolResult", "image", "document", "video", "reasoningContent", "cachePoint", "guardContent"})  # fmt: skip
_OWN = _BLOCKS - {"text"}


def is_bedrock_message(value: JSON) -> bool:
    """Whether *value* is such a message."""
    content = (
        value.get("content") if isinstance(value, dict) and among(value.get("role"), ("user", "assistant")) else None
    )
    return isinstance(content, list) and bool(content) and all(
        isinstance(block, dict) and "type" not in block and not _BLOCKS.isdisjoint(block) for block in content
    )  # fmt: skip


def read_bedrock(name: str, found: Found, report: Report) -> Iterator[Conversation]:
    """The messages that were found as a conversation; nothing if none can be read."""
    beside = dict(found.beside)
    turns: list[Turn] = []
    system = beside.get("system")
    texts = [block["text"] for block in system if isinstance(block, dict) and isinstance(block.get("text"), str)] if isinstance(system, list) else []  # fmt: skip
    if texts:
        del beside["system"]
        turns.append(
            Turn({"role": "system", "content": "\n\n".join(texts)}, "anthropic", metadata={"beside": "system"})
        )
    for index, value in enumerate(found.values):
        if not is_bedrock_message(value):
            report(found.line(index), f"{found.place}[{index}]: no message of Bedrock's")
            continue
        turns.append(_turn(value, found.line(index)))
    output = beside.get("output")
    if isinstance(output, dict) and is_bedrock_message(output.get("message")):
        del beside["output"]
        usage = beside.get("usage")
        turn = _turn(output["message"], found.line(0))
        turns.append(turn._replace(usage=_usage(usage) if isinstance(usage, dict) else None))
    if not turns:
        report(found.line(0), f"{found.place or 'conversation'}: no message in it")
        return
    if turns[-1].message["role"] == "assistant":
        turns[-1] = turns[-1]._replace(config=model_config(beside.get("modelId")))
    yield linear(name, turns, keep_beside(beside, found.place, found.line(0), report))


def _turn(value: dict[str, JSON], line: int | None) -> Turn:
    blocks = [made for block in value["content"] for made in _blocks(block)]
    is_text = len(blocks) == 1 and blocks[0].keys() == {"type", "text"}
    message = {"role": value["role"], "content": blocks[0]["text"] if is_text else blocks}
    kept = {"bedrock": value} if any(not _OWN.isdisjoint(block) for block in value["content"]) else {}
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
    for key in ("document", "video", "guardContent"):
        if key in block:
            yield {"type": "text", "text": f"[{key}]"}


def _usage(usage: dict[str, JSON]) -> dict[str, JSON]:
    read, written = usage.get("cacheReadInputTokens") or 0, usage.get("cacheWriteInputTokens") or 0
    return {"input_tokens": usage.get("inputTokens") or 0, "output_tokens": usage.get("outputTokens") or 0, "cache_read_input_tokens": read, "cache_creation_input_tokens": written}  # fmt: skip
