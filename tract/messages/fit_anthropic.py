"""Anthropic's own messages, changed only where the API would refuse them; everything else stays as it was committed.

    {"role", "content"}, and no other key; no text without a visible character; every block with its own keys only
    user        tool_result first, then text image document …
    assistant   thinking (signed, and never last)  text  tool_use  server tools, each with its result behind it

docs/sending.md has the rules (10 to 17 and 20).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tract.dataclass import dataclass
from tract.messages.anthropic import ERROR, IMAGE_TYPES, read_block
from tract.messages.parts import Notes, known_role, placeholder
from tract.messages.tool_names import fitting_name
from tract.messages.values import compact_json, items_of
from tract.objects.json import parse_json
from tract.objects.message_format import JSON

ROLES = frozenset({"system", "user", "assistant"})
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_ASSISTANTS = _THOUGHTS | {"tool_use", "server_tool_use", "mcp_tool_use"}
_USERS = frozenset({"tool_result", "image", "document", "search_result", "container_upload"})
_SERVER_USES = frozenset({"server_tool_use", "mcp_tool_use"})
_KEYS = {
    "text": frozenset({"type", "text", "citations", "cache_control"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name", "input", "caller", "cache_control"}),
    "tool_result": frozenset({"type", "tool_use_id", "content", "is_error", "cache_control"}),
}


@dataclass(slots=True)
class Said:
    """The content of one message on its way to the API, made of message *index*.

    *own* is the message itself, if it was Anthropic's and is unchanged.
    """

    index: int
    role: str
    content: JSON
    own: Mapping[str, JSON] | None = None
    converted: bool = False

    def blocks(self) -> list[JSON]:
        """The content as blocks."""
        if isinstance(self.content, str):
            return [{"type": "text", "text": self.content}]
        return list(self.content)

    def set_blocks(self, blocks: list[JSON]) -> None:
        self.content, self.own = blocks, None

    def message(self) -> Mapping[str, JSON]:
        """The message itself."""
        return {"role": self.role, "content": self.content} if self.own is None else self.own


def fit_anthropic(raw: Mapping[str, JSON], index: int, notes: Notes) -> Said | None:
    """Message *index*, *raw*, in a form that the API takes; None if nothing in it can be sent."""
    role = raw.get("role")
    known = role if isinstance(role, str) and role in ROLES else known_role(role)
    known = "system" if known == "developer" else known
    if known != role:
        notes.add(index, "unknown_role", f"{role!r}, sent as {known!r}")
    extra = [str(key) for key in raw if key not in ("role", "content")]
    if extra:
        notes.add(index, "keys_left_out", ", ".join(extra))
    content = _fit_content(raw.get("content"), known, index, notes)
    if content is None:
        return None
    is_same = content is raw.get("content") and known == role and not extra
    return Said(index, known, content, raw if is_same else None)


def _fit_content(content: JSON, role: str, index: int, notes: Notes) -> JSON:
    if isinstance(content, list | tuple):
        kept = [fit for block in content if (fit := _fit_block(block, role, index, notes)) is not None]
        kept = _results_first(kept, index, notes)
        if len(kept) == len(content) and kept and all(new is old for new, old in zip(kept, content, strict=True)):
            return content
        if not kept:
            notes.add(index, "message_left_out", "it has no content")
        return kept or None
    if content is not None and not isinstance(content, str):
        notes.add(index, "value_changed", "content that is not text to JSON")
        return compact_json(content)
    if content is None or not content.strip():
        notes.add(index, "message_left_out", "it has no visible text")
        return None
    return content


def _results_first(blocks: list[Any], index: int, notes: Notes) -> list[Any]:
    results = [block for block in blocks if block.get("type") == "tool_result"]
    if not results or blocks[: len(results)] == results:
        return blocks
    notes.add(index, "tool_result_moved", ", ".join(repr(block.get("tool_use_id")) for block in results))
    return [*results, *(block for block in blocks if block.get("type") != "tool_result")]


def _fit_block(block: JSON, role: str, index: int, notes: Notes) -> JSON:
    if isinstance(block, str):
        notes.add(index, "value_changed", "a bare text to a block of type 'text'")
        block = {"type": "text", "text": block}
    if not isinstance(block, Mapping):
        notes.add(index, "part_left_out", f"a block that is not an object: {block!r:.40}")
        return None
    kind = str(block.get("type"))
    of_assistant = kind in _ASSISTANTS or _is_server_result(block)
    is_foreign = (of_assistant and role != "assistant") or (kind in _USERS and role != "user")
    if is_foreign or (role == "system" and kind != "text"):
        notes.add(index, "part_left_out", f"{kind} in a message of the {role}")
        return None
    if not _is_whole(block, kind, index, notes):
        return None
    return _fit_values(_fit_keys(block, kind, index, notes), kind, index, notes)


def _is_whole(block: Mapping[str, JSON], kind: str, index: int, notes: Notes) -> bool:
    """Whether *block* has everything the API requires; if not, it is left out and *notes* records why."""
    match kind:
        case "text" if not isinstance(block.get("text"), str) or not block["text"].strip():
            notes.add(index, "empty_text_left_out", "a text without a visible character")
        case "thinking" if not block.get("signature") or not isinstance(block.get("thinking"), str):
            notes.add(index, "thinking_left_out", "a thought without a signature")
        case "redacted_thinking" if not block.get("data"):
            notes.add(index, "thinking_left_out", "a redacted thought without data")
        case "image" if str(_image_type(block)) not in IMAGE_TYPES:
            notes.add(index, "part_left_out", f"an image of type {_image_type(block)!r}")
        case _:
            return True
    return False


def _image_type(block: Mapping[str, JSON]) -> JSON:
    source = block.get("source")
    given = source.get("media_type") if isinstance(source, Mapping) and source.get("type") == "base64" else None
    return "image/png" if given is None else given


def _fit_keys(block: Mapping[str, JSON], kind: str, index: int, notes: Notes) -> Mapping[str, JSON]:
    keys = _KEYS.get(kind)
    if keys is None:
        return block
    extra = [str(key) for key, value in block.items() if key not in keys or value is None]
    if not extra:
        return block
    notes.add(index, "keys_left_out", ", ".join(f"{kind}.{key}" for key in extra))
    return {key: value for key, value in block.items() if key in keys and value is not None}


def _fit_values(block: Mapping[str, JSON], kind: str, index: int, notes: Notes) -> Mapping[str, JSON]:
    if kind == "tool_result":
        return _fit_result(block, index, notes)
    if kind != "tool_use":
        return block
    changes: dict[str, JSON] = {}
    name = fitting_name(str(block.get("name") or ""), "anthropic", index, notes)
    if name != block.get("name"):
        changes["name"] = name
    if not isinstance(block.get("input"), Mapping):
        changes["input"] = _as_object(block.get("input"))
        notes.add(index, "value_changed", "input to an object")
    return {**block, **changes} if changes else block


def _as_object(value: JSON) -> JSON:
    if isinstance(value, str):
        try:
            parsed = parse_json(value) if value.strip() else {}
        except ValueError:
            parsed = None
        return parsed if isinstance(parsed, dict) else {"arguments": value}
    return {} if value is None else {"arguments": value}


def _fit_result(block: Mapping[str, JSON], index: int, notes: Notes) -> Mapping[str, JSON]:
    content = block.get("content")
    is_error = block.get("is_error") is True
    if isinstance(content, list | tuple):
        kept = [fit for one in content if (fit := _fit_in_result(one, is_error, index, notes)) is not None]
        if len(kept) != len(content) or any(new is not old for new, old in zip(kept, content, strict=True)):
            block = {**block, "content": kept}
        content = kept
    elif content is not None and not isinstance(content, str):
        content = compact_json(content)
        block = {**block, "content": content}
        notes.add(index, "value_changed", "a result that is not text to JSON")
    if is_error and not (content.strip() if isinstance(content, str) else content):
        notes.add(index, "error_text_added", repr(block.get("tool_use_id")))
        return {**block, "content": ERROR}
    return block


def _fit_in_result(block: JSON, is_error: bool, index: int, notes: Notes) -> JSON:
    fit = _fit_block(block, "user", index, notes)
    if not is_error or fit is None or fit.get("type") == "text":
        return fit
    text = placeholder(read_block(fit, []))
    notes.add(index, "part_left_out", f"{fit.get('type')} in a failed tool's result, {text!r} stands for it")
    return {"type": "text", "text": text}


# Answers


def fit_turn(turn: Sequence[Said], notes: Notes, *, is_last: bool) -> list[Said]:
    """The assistant's messages between two of the user's, in a form that the API takes; *is_last* if nothing follows them yet."""
    if any(_is_of_server(block) for said in turn for block in items_of(said.content)):
        lost = _torn_server_tools([block for said in turn for block in said.blocks()], is_last=is_last)
        at = 0
        for said in turn:
            blocks = said.blocks()
            left = [block for number, block in enumerate(blocks, at) if number not in lost]
            for number in sorted(lost & set(range(at, at + len(blocks)))):
                block = blocks[number - at]
                lacks = "result" if str(block.get("type")) in _SERVER_USES else "call"
                id = block.get("id") if lacks == "result" else block.get("tool_use_id")
                notes.add(said.index, "part_left_out", f"{block.get('type')} {id!r}, which has no {lacks}")
            at += len(blocks)
            if len(left) < len(blocks):
                said.set_blocks(left)
    return _without_last_thoughts([said for said in turn if said.content], notes)


def _without_last_thoughts(turn: list[Said], notes: Notes) -> list[Said]:
    """The turn without the thoughts at its end; neighbours count as one message, for the API joins them."""
    while turn and not isinstance(turn[-1].content, str) and _is_thought(turn[-1].content[-1]):
        said = turn[-1]
        blocks = said.blocks()
        while blocks and _is_thought(blocks[-1]):
            blocks.pop()
        notes.add(said.index, "thinking_left_out", "a thought behind which the answer ends")
        if blocks:
            said.set_blocks(blocks)
        else:
            turn = turn[:-1]
    return turn


def _is_thought(block: JSON) -> bool:
    return isinstance(block, Mapping) and str(block.get("type")) in _THOUGHTS


def _is_of_server(block: JSON) -> bool:
    return isinstance(block, Mapping) and (str(block.get("type")) in _SERVER_USES or _is_server_result(block))


def _is_server_result(block: JSON) -> bool:
    kind = str(block.get("type")) if isinstance(block, Mapping) else ""
    return kind.endswith("_tool_result")


def _torn_server_tools(blocks: Sequence[Mapping[str, JSON]], *, is_last: bool) -> set[int]:
    """The places of server tools' calls that have no result behind them, and of results that have no call before them.

    In the last answer a call may wait for its result.
    """
    lost: set[int] = set()
    waiting: dict[str, int] = {}
    seen: set[str] = set()
    for at, block in enumerate(blocks):
        if str(block.get("type")) in _SERVER_USES:
            id = str(block.get("id"))
            if id in seen:
                lost.add(at)
            else:
                seen.add(id)
                waiting[id] = at
        elif _is_server_result(block) and waiting.pop(str(block.get("tool_use_id")), None) is None:
            lost.add(at)
    return lost if is_last else lost | set(waiting.values())
