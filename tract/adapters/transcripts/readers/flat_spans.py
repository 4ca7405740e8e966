"""Messages that a span has as one attribute for each of their fields, in place of the GenAI conventions' lists.

    "gen_ai.prompt.0.role", ".content", ".tool_call_id", ".tool_calls.0.id|name|arguments"      OpenLLMetry
    "gen_ai.completion.0.…"                                                                     the same for the answer
    "llm.input_messages.0.message.role", ".content", ".tool_call_id", ".name"                   OpenInference (Phoenix)
        ".message.tool_calls.0.tool_call.id|function.name|function.arguments"
        ".message.contents.0.message_content.type|text|image.image.url"
    "llm.output_messages.0.message.…", "llm.model_name", "llm.token_count.prompt|completion"

Other fields of a message stay attributes.
Source: the instrumentations of OpenLLMetry and the conventions of OpenInference, as their tests have them.
"""

from __future__ import annotations

import re

from tract.objects.json import compact_json
from tract.objects.message_format import JSON

_PAIRS = (("gen_ai.prompt", "gen_ai.completion"), ("llm.input_messages", "llm.output_messages"))
_FIELD = re.compile(
    r"(gen_ai\.prompt|gen_ai\.completion|llm\.input_messages|llm\.output_messages)\.(\d{1,9})\.(?:message\.)?"
    r"(role|content|tool_call_id|tool_calls\.(\d{1,9})\.(?:tool_call\.)?(?:function\.)?(id|name|arguments)"
    r"|contents\.(\d{1,9})\.message_content\.(type|text|image\.image\.url))"
)
_NAMES = {
    "llm.model_name": "gen_ai.request.model",
    "llm.token_count.prompt": "gen_ai.usage.input_tokens", "llm.token_count.completion": "gen_ai.usage.output_tokens",
}  # fmt: skip

_Fields = dict[str, JSON]


def gather_messages(attributes: dict[str, JSON]) -> dict[str, JSON] | None:
    """*attributes* with such messages turned into today's lists of the conventions; None if there are none."""
    found = {key: match for key in attributes if (match := _FIELD.fullmatch(key)) is not None}
    prefixes = {match[1] for match in found.values()}
    pair = next((pair for pair in _PAIRS if not prefixes.isdisjoint(pair)), None)
    if pair is None:
        return None
    messages: dict[str, dict[int, _Fields]] = {prefix: {} for prefix in pair}
    kept = {_NAMES.get(key, key): value for key, value in attributes.items() if key not in found or found[key][1] not in pair}  # fmt: skip
    for key, match in found.items():
        if match[1] in pair:
            fields = messages[match[1]].setdefault(int(match[2]), {"calls": {}, "contents": {}})
            _put(fields, match, attributes[key])
    unanswered: list[str] = []
    for prefix, name, role in zip(pair, ("input", "output"), ("user", "assistant"), strict=True):
        listed = [_message(fields, role, at, unanswered) for at, fields in sorted(messages[prefix].items())]
        kept[f"gen_ai.{name}.messages"] = listed
    return kept


def _put(fields: _Fields, match: re.Match[str], value: JSON) -> None:
    if match[4] is not None:
        fields["calls"].setdefault(int(match[4]), {})[match[5]] = value
    elif match[6] is not None:
        fields["contents"].setdefault(int(match[6]), {})[match[7]] = value
    else:
        fields[match[3]] = value


def _message(fields: _Fields, role: str, at: int, unanswered: list[str]) -> dict[str, JSON]:
    """A message with its parts; a call without an id gets one, and results without one answer the calls before them in order."""
    said = str(fields.get("role") or role)
    role = "assistant" if said in ("ai", "model") or (role == "assistant" and said != "tool") else said
    content = fields.get("content")
    text = content if isinstance(content, str) else "" if content is None else compact_json(content)
    if role == "tool" and not fields["calls"]:
        id = fields.get("tool_call_id") or (unanswered[0] if unanswered else None)
        unanswered[:] = [one for one in unanswered if one != str(id)]
        if id is not None:
            texts = [*([text] if text else []), *(_text(part) for _, part in sorted(fields["contents"].items()))]
            return {"role": role, "parts": [{"type": "tool_call_response", "id": id, "response": "\n".join(texts)}]}
    parts: list[JSON] = [{"type": "text", "content": text}] if text else []
    for _, part in sorted(fields["contents"].items()):
        url = part.get("image.image.url")
        parts.append({"type": "uri", "modality": "image", "uri": url} if url else {"type": "text", "content": _text(part)})  # fmt: skip
    calls = [{**call, "type": "tool_call", "id": call.get("id") or f"call_{at}_{nth}"} for nth, call in sorted(fields["calls"].items())]  # fmt: skip
    if role == "assistant":
        unanswered[:] = [str(call["id"]) for call in calls]
    return {"role": role, "parts": [*parts, *calls]}


def _text(part: dict[str, JSON]) -> str:
    """The text of a part of a content, or the part as its JSON."""
    return part["text"] if isinstance(part.get("text"), str) else compact_json(part)
