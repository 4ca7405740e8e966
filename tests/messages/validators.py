"""What each provider refuses of a list of messages: a model of their validators, written from their documentation and error messages.

It knows nothing of tract's renderers.
Each function gives the faults of a request, none where the provider takes it; the words are near those of the provider.
*may_be_open* lets the calls of the last answer wait for their results.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

Raw = dict[str, Any]

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


# --- OpenAI chat completions ---

CHAT_KEYS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "refusal", "tool_calls", "function_call", "audio"},
    "tool": {"role", "content", "tool_call_id", "name"},
    "function": {"role", "content", "name"},
}
CHAT_PARTS = {
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "system": {"text"},
    "developer": {"text"},
    "tool": {"text"},
    "function": {"text"},
}
REFUSED = {"annotations", "parsed", "id", "usage", "stop_reason"}
"""Keys of answers, which no request has; what compatible servers have of their own goes through."""


def chat_faults(messages: Sequence[Raw], *, may_be_open: bool = False) -> list[str]:
    return [*_chat_messages(messages), *_chat_order(messages, may_be_open)]


def _chat_messages(messages: Sequence[Raw]) -> Iterator[str]:
    if not messages:
        yield "empty array"
    for at, message in enumerate(messages):
        role = message.get("role")
        if role not in CHAT_KEYS:
            yield f"[{at}] invalid role {role!r}"
            continue
        for key in (CHAT_KEYS["assistant"] | REFUSED) & message.keys() - CHAT_KEYS[role]:
            yield f"[{at}] additional properties are not allowed: {key}"
        for key, value in message.items():
            if value is None and key != "content":
                yield f"[{at}] {key} is null"
        yield from _chat_content(at, role, message)
        yield from _chat_calls(at, message)
        if role != "tool" and "name" in message and not re.fullmatch(r"[^\s<|\\/>]+", message["name"]):
            yield f"[{at}] name does not match pattern"
        if "audio" in message and set(message["audio"]) != {"id"}:
            yield f"[{at}] audio has more than an id"


def _chat_content(at: int, role: str, message: Raw) -> Iterator[str]:
    content = message.get("content")
    if content is None:
        says = role == "assistant" and any(message.get(k) for k in ("tool_calls", "function_call", "refusal", "audio"))
        if not says:
            yield f"[{at}] expected a string, got null"
    elif isinstance(content, list):
        if not content:
            yield f"[{at}] content: empty array"
        for part in content:
            if part.get("type") not in CHAT_PARTS[role]:
                yield f"[{at}] invalid part {part.get('type')!r} of a {role}"
            elif part["type"] == "text" and not isinstance(part.get("text"), str):
                yield f"[{at}] a text without text"
    elif not isinstance(content, str):
        yield f"[{at}] content is a {type(content).__name__}"


def _chat_calls(at: int, message: Raw) -> Iterator[str]:
    if "tool_calls" not in message:
        return
    calls = message["tool_calls"]
    if not 1 <= len(calls) <= 128:
        yield f"[{at}] tool_calls: {len(calls)} entries"
    ids = [call.get("id") for call in calls]
    if len(set(ids)) < len(ids):
        yield f"[{at}] an id stands twice in {ids}"
    for call in calls:
        if not isinstance(call.get("id"), str) or not 1 <= len(call["id"]) <= 40:
            yield f"[{at}] id {call.get('id')!r}"
        tool = call.get(call.get("type"))
        if call.get("type") not in ("function", "custom") or not isinstance(tool, dict):
            yield f"[{at}] type {call.get('type')!r}"
            continue
        if not NAME.fullmatch(tool.get("name") or ""):
            yield f"[{at}] name {tool.get('name')!r}"
        if not isinstance(tool.get("arguments" if call["type"] == "function" else "input"), str):
            yield f"[{at}] arguments are no text"
        if set(call) - {"id", "type", "function", "custom", "extra_content"}:
            yield f"[{at}] keys of a call: {sorted(call)}"


def _chat_order(messages: Sequence[Raw], may_be_open: bool) -> Iterator[str]:
    waiting: set[str] = set()
    answered: set[str] = set()
    for at, message in enumerate(messages):
        if message.get("role") == "tool":
            id = message.get("tool_call_id")
            if id in answered:
                yield f"[{at}] duplicate value for tool_call_id {id!r}"
            elif id not in waiting:
                yield f"[{at}] tool message {id!r} is no response to a preceding message with tool_calls"
            waiting.discard(id)
            answered.add(id)
            continue
        if waiting:
            yield f"[{at}] tool_call_ids did not have response messages: {sorted(waiting)}"
        waiting = {call["id"] for call in message.get("tool_calls") or []}
        answered = set()
    if waiting and not may_be_open:
        yield f"[end] tool_call_ids did not have response messages: {sorted(waiting)}"


# --- OpenAI Responses ---

ITEM_KEYS = {
    "message": {"type", "role", "content", "id", "status", "phase"},
    "reasoning": {"type", "id", "summary", "content", "encrypted_content"},
    "function_call": {"type", "id", "call_id", "name", "arguments", "status", "namespace", "caller"},
    "custom_tool_call": {"type", "id", "call_id", "name", "input", "namespace", "caller"},
    "function_call_output": {"type", "id", "call_id", "output", "status", "caller"},
    "custom_tool_call_output": {"type", "id", "call_id", "output", "caller"},
    "compaction": {"type", "id", "encrypted_content"},
}
BEGINNINGS = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}
ANSWERS = {"function_call": "function_call_output", "custom_tool_call": "custom_tool_call_output"}
ANSWERS |= {"computer_call": "computer_call_output", "shell_call": "shell_call_output"}
INPUT_PARTS = {"input_text", "input_image", "input_file", "input_audio"}


def responses_faults(
    items: Sequence[Raw], came_with: dict[str, str] | None = None, *, may_be_open: bool = False
) -> list[str]:
    """*came_with* has for the ids of items the id of the reasoning item of their answer."""
    return [
        *_items(items),
        *_item_order(items, may_be_open),
        *_reasoning(items, came_with or {}),
    ]


def _kind(item: Raw) -> str:
    return str(item.get("type", "message"))


def _items(items: Sequence[Raw]) -> Iterator[str]:
    if not items:
        yield "input is empty"
    ids = Counter(item["id"] for item in items if "id" in item)
    yield from (f"duplicate item found with id {id}" for id, times in ids.items() if times > 1)
    for at, item in enumerate(items):
        kind = _kind(item)
        for key in item.keys() - ITEM_KEYS.get(kind, item.keys()) - {"odd"}:
            yield f"[{at}] unknown parameter: {key}"
        for key, value in item.items():
            if value is None:
                yield f"[{at}] {key} is null"
        if (
            kind in BEGINNINGS
            and "id" in item
            and not re.fullmatch(BEGINNINGS[kind] + r"[a-zA-Z0-9_-]*", str(item["id"]))
        ):
            yield f"[{at}] invalid id {item['id']!r} of a {kind}"
        if kind == "message":
            yield from _item_message(at, item)
        if kind == "reasoning" and not ({"id", "summary"} <= item.keys()):
            yield f"[{at}] missing required field of a reasoning item"
        if "call_id" in item and not 1 <= len(item["call_id"]) <= 64:
            yield f"[{at}] call_id {item['call_id']!r}"
        if kind in ("function_call", "custom_tool_call"):
            if not NAME.fullmatch(item["name"]):
                yield f"[{at}] name {item['name']!r}"
            if not isinstance(item.get("arguments" if kind == "function_call" else "input"), str):
                yield f"[{at}] arguments are no text"
        if kind in ("function_call_output", "custom_tool_call_output"):
            yield from _parts(at, item.get("output"), INPUT_PARTS)


def _item_message(at: int, item: Raw) -> Iterator[str]:
    role = item.get("role")
    if role not in ("user", "assistant", "system", "developer"):
        yield f"[{at}] invalid role {role!r}"
    yield from _parts(at, item.get("content"), {"output_text", "refusal"} if role == "assistant" else INPUT_PARTS)


def _parts(at: int, value: Any, kinds: set[str]) -> Iterator[str]:
    if isinstance(value, str):
        return
    if not isinstance(value, list) or not value:
        yield f"[{at}] content {value!r}"
        return
    for part in value:
        if part.get("type") not in kinds:
            yield f"[{at}] invalid part {part.get('type')!r}"
        if {"parsed", "cache_control"} & part.keys() or None in part.values():
            yield f"[{at}] unknown parameter in a part: {sorted(part)}"


def _item_order(items: Sequence[Raw], may_be_open: bool) -> Iterator[str]:
    calls: dict[str, str] = {}
    answered: set[str] = set()
    last_input = max((at for at, item in enumerate(items) if _is_input(item)), default=-1)
    late: set[str] = set()
    for at, item in enumerate(items):
        kind, id = _kind(item), item.get("call_id")
        if kind in ANSWERS:
            if id in calls:
                yield f"[{at}] duplicate call_id {id!r}"
            calls[id] = kind
            if at > last_input:
                late.add(id)
        if kind in ANSWERS.values():
            if id not in calls:
                yield f"[{at}] no tool call found for output with call_id {id!r}"
            elif ANSWERS[calls[id]] != kind:
                yield f"[{at}] a {kind} for a {calls[id]}"
            if id in answered:
                yield f"[{at}] a second output for call_id {id!r}"
            answered.add(id)
    for id in calls.keys() - answered - (late if may_be_open else set()):
        yield f"no tool output found for call {id!r}"


def _is_input(item: Raw) -> bool:
    return _kind(item) == "message" and item.get("role") != "assistant"


def _is_answer(item: Raw) -> bool:
    kind = _kind(item)
    return item.get("role") == "assistant" if kind == "message" else not kind.endswith("_output")


def _reasoning(items: Sequence[Raw], came_with: dict[str, str]) -> Iterator[str]:
    for at, item in enumerate(items):
        if _kind(item) == "reasoning":
            after = items[at + 1] if at + 1 < len(items) else {"role": "user"}
            if not _is_answer(after):
                yield f"[{at}] item {item['id']!r} was provided without its required following item"
            elif came_with.get(after.get("id", ""), item["id"]) not in (item["id"], after.get("id")):
                yield f"[{at}] item {item['id']!r} is followed by {after.get('id')!r}, which is of another answer"
        needed = came_with.get(item.get("id", ""))
        if needed is not None and needed != item["id"]:
            front = at
            while front and _is_answer(items[front - 1]):
                front -= 1
            if needed not in [other.get("id") for other in items[front:at]]:
                yield f"[{at}] item {item['id']!r} was provided without its required reasoning item {needed!r}"


# --- Anthropic ---

BLOCK_KEYS = {
    "text": {"type", "text", "citations", "cache_control"},
    "thinking": {"type", "thinking", "signature"},
    "redacted_thinking": {"type", "data"},
    "tool_use": {"type", "id", "name", "input", "caller", "cache_control"},
    "tool_result": {"type", "tool_use_id", "content", "is_error", "cache_control"},
}
ASSISTANTS = {"thinking", "redacted_thinking", "tool_use", "server_tool_use", "mcp_tool_use"}
USERS = {"tool_result", "image", "document"}


def anthropic_faults(request: Raw, *, may_be_open: bool = False) -> list[str]:
    messages = request["messages"]
    return [
        *_system(request),
        *(fault for at, message in enumerate(messages) for fault in _message(at, message, at == len(messages) - 1)),
        *_system_inside(messages),
        *_turns(messages, may_be_open),
        *_marks(request),
    ]


def _system(request: Raw) -> Iterator[str]:
    if not request["messages"]:
        yield "at least one message is required"
    system = request.get("system")
    if system is not None and isinstance(system, str) and not system.strip():
        yield "system: text content blocks must be non-empty"
    for block in system if isinstance(system, list) else []:
        if block.get("type") != "text" or not block["text"].strip():
            yield f"system: {block}"


def _message(at: int, message: Raw, is_last: bool) -> Iterator[str]:
    if set(message) != {"role", "content"}:
        yield f"[{at}] extra inputs are not permitted: {sorted(message)}"
    role, content = message.get("role"), message.get("content")
    if role not in ("user", "assistant", "system"):
        yield f"[{at}] role {role!r}"
    if isinstance(content, str):
        if not content.strip():
            yield f"[{at}] text content blocks must be non-empty"
        if is_last and role == "assistant" and content != content.rstrip():
            yield f"[{at}] final assistant content cannot end with trailing whitespace"
        return
    if not content:
        yield f"[{at}] all messages must have non-empty content"
        return
    for block in content:
        yield from _block(at, role, block)
    last = content[-1]
    if is_last and role == "assistant" and last.get("type") == "text" and last["text"] != last["text"].rstrip():
        yield f"[{at}] final assistant content cannot end with trailing whitespace"


def _block(at: int, role: str | None, block: Raw) -> Iterator[str]:
    kind = block.get("type")
    for key in block.keys() - BLOCK_KEYS.get(str(kind), block.keys()):
        yield f"[{at}] {kind}.{key}: extra inputs are not permitted"
    if kind in ASSISTANTS and role != "assistant":
        yield f"[{at}] {kind} in a message of the {role}"
    if kind in USERS and role != "user":
        yield f"[{at}] {kind} in a message of the {role}"
    if kind == "text" and not str(block.get("text") or "").strip():
        yield f"[{at}] text content blocks must be non-empty"
    if kind == "thinking" and not block.get("signature"):
        yield f"[{at}] thinking.signature: field required"
    if kind == "tool_use":
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", block["name"]) or not isinstance(block["input"], dict):
            yield f"[{at}] tool_use {block['name']!r} {block['input']!r}"
        if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", block["id"]):
            yield f"[{at}] tool_use.id {block['id']!r}"
    if kind == "tool_result":
        yield from _tool_result(at, block)


def _tool_result(at: int, block: Raw) -> Iterator[str]:
    content = block.get("content")
    if isinstance(content, list):
        for inner in content:
            if inner.get("type") == "text" and not inner["text"].strip():
                yield f"[{at}] text content blocks must be non-empty"
            if block.get("is_error") and inner.get("type") != "text":
                yield f"[{at}] all content must be type 'text' if 'is_error' is true"
    if block.get("is_error") and not content:
        yield f"[{at}] content cannot be empty if 'is_error' is true"
    if not (content is None or isinstance(content, str | list)):
        yield f"[{at}] content of a result: {content!r}"


def _system_inside(messages: Sequence[Raw]) -> Iterator[str]:
    for at, message in enumerate(messages):
        if message.get("role") != "system":
            continue
        if at == 0 or messages[at - 1]["role"] != "user":
            yield f"[{at}] a system message not behind a user's"
        if at + 1 < len(messages) and messages[at + 1]["role"] != "assistant":
            yield f"[{at}] a system message not before an assistant's"


def _turns(messages: Sequence[Raw], may_be_open: bool) -> Iterator[str]:
    """Calls and results, in turns of neighbours of one role."""
    turns: list[tuple[str, list[Raw]]] = []
    for message in messages:
        content = message.get("content") or []
        blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
        if turns and turns[-1][0] == message["role"]:
            turns[-1][1].extend(blocks)
        else:
            turns.append((message["role"], list(blocks)))
    seen: set[str] = set()
    waiting: list[str] = []
    for at, (_, blocks) in enumerate(turns):
        results = [block["tool_use_id"] for block in blocks if block.get("type") == "tool_result"]
        is_last = at == len(turns) - 1
        missing = set(waiting) - set(results)
        if missing and not (is_last and may_be_open):
            yield f"turn {at}: tool_use ids were found without tool_result blocks immediately after: {sorted(missing)}"
        if set(results) - set(waiting):
            yield f"turn {at}: unexpected tool_use_id found: {sorted(set(results) - set(waiting))}"
        if len(set(results)) < len(results):
            yield f"turn {at}: each tool_use must have a single result: {results}"
        if any(block.get("type") == "tool_result" for block in blocks[len(results) :]):
            yield f"turn {at}: results do not come first"
        waiting = [block["id"] for block in blocks if block.get("type") == "tool_use"]
        if len(set(waiting)) < len(waiting) or seen & set(waiting):
            yield f"turn {at}: tool_use ids must be unique: {waiting}"
        seen.update(waiting)
        if blocks and blocks[-1].get("type") in ("thinking", "redacted_thinking"):
            yield f"turn {at}: the final block in an assistant message cannot be '{blocks[-1]['type']}'"
        yield from _server_tools(at, blocks, is_last)
    if waiting and not may_be_open:
        yield f"end: tool_use ids were found without tool_result blocks: {waiting}"


def _server_tools(at: int, blocks: Sequence[Raw], is_last: bool) -> Iterator[str]:
    called: set[str] = set()
    for block in blocks:
        kind = str(block.get("type"))
        if kind in ("server_tool_use", "mcp_tool_use"):
            called.add(block["id"])
        elif kind.endswith("_tool_result"):
            if block["tool_use_id"] not in called:
                yield f"turn {at}: unexpected tool_use_id found in {kind}"
            called.discard(block["tool_use_id"])
    if called and not is_last:
        yield f"turn {at}: server tools without results: {sorted(called)}"


def _marks(request: Raw) -> Iterator[str]:
    found: list[Raw] = []
    for content in (request.get("system"), *(message.get("content") for message in request["messages"])):
        for block in content if isinstance(content, list) else []:
            inner = block.get("content")
            for one in [*(inner if isinstance(inner, list) else []), block]:
                if isinstance(one.get("cache_control"), dict):
                    found.append(one["cache_control"])
    if len(found) > 4:
        yield f"a maximum of 4 blocks with cache_control may be provided, found {len(found)}"
    lasting = [mark.get("ttl") == "1h" for mark in found]
    if lasting != sorted(lasting, reverse=True):
        yield "a ttl='1h' cache_control block must not come after a ttl='5m' one"


# --- Gemini ---

GEMINI_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
DATA = {"text", "function_call", "function_response", "inline_data", "file_data"}


def gemini_faults(request: Raw, *, may_be_open: bool = False) -> list[str]:
    return [*_contents(request), *_gemini_order(request["contents"], may_be_open)]


def _contents(request: Raw) -> Iterator[str]:
    if not request["contents"]:
        yield "contents is not specified"
    for part in request.get("system_instruction", {}).get("parts", [{"text": "x"}]):
        if set(part) != {"text"} or not part["text"].strip():
            yield f"system_instruction: {part}"
    for at, content in enumerate(request["contents"]):
        if content["role"] not in ("user", "model"):
            yield f"[{at}] role {content['role']!r}"
        if at and request["contents"][at - 1]["role"] == content["role"]:
            yield f"[{at}] two contents of one role in a row"
        if not content["parts"]:
            yield f"[{at}] parts must not be empty"
        for part in content["parts"]:
            if len(DATA & part.keys()) != 1 or ("text" in part and not part["text"].strip()):
                yield f"[{at}] part {part}"
            yield from _gemini_part(at, content["role"], part)


def _gemini_part(at: int, role: str, part: Raw) -> Iterator[str]:
    call, response = part.get("function_call"), part.get("function_response")
    for tool, of_role in ((call, "model"), (response, "user")):
        if tool is not None and (role != of_role or not GEMINI_NAME.fullmatch(tool["name"])):
            yield f"[{at}] {tool} of the {role}"
    if call is not None and not isinstance(call["args"], dict):
        yield f"[{at}] args {call['args']!r}"
    if response is not None and not isinstance(response["response"], dict):
        yield f"[{at}] response {response['response']!r}"
    if "inline_data" in part and not part["inline_data"].keys() >= {"mime_type", "data"}:
        yield f"[{at}] {part}"


def _gemini_order(contents: Sequence[Raw], may_be_open: bool) -> Iterator[str]:
    for at, content in enumerate(contents):
        calls = [part["function_call"] for part in content["parts"] if "function_call" in part]
        results = [part["function_response"] for part in content["parts"] if "function_response" in part]
        if calls:
            if at == 0 or contents[at - 1]["role"] != "user":
                yield f"[{at}] function call turn comes not immediately after a user turn"
            behind = contents[at + 1]["parts"] if at + 1 < len(contents) else []
            answers = [part["function_response"] for part in behind if "function_response" in part]
            is_open = may_be_open and at + 2 >= len(contents)
            if len(answers) != len(calls) and not (is_open and len(answers) < len(calls)):
                yield f"[{at}] {len(calls)} calls and {len(answers)} responses"
            named = {call["id"]: call["name"] for call in calls}
            if any(named.get(answer["id"]) != answer["name"] for answer in answers):
                yield f"[{at}] responses {answers} for {calls}"
            if "thought_signature" not in next(part for part in content["parts"] if "function_call" in part):
                yield f"[{at}] function call is missing a thought_signature"
        if results and (at == 0 or not any("function_call" in part for part in contents[at - 1]["parts"])):
            yield f"[{at}] function response turn comes not immediately after a function call turn"
