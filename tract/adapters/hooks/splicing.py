"""One member of a JSON object inserted into its text, or removed from it: every other byte stays, and the new text has the layout of the rest."""

from __future__ import annotations

import json
import re

from tract.named_tuple import NamedTuple
from tract.objects.message_format import JSON

_BLANK = re.compile(r"[ \t\r\n]*")


class _Member(NamedTuple):
    """The positions of an object's member: its start, the start of its *value*, and its *end*."""

    name: str
    start: int
    value: int
    end: int


def with_member(text: str, name: str, value: JSON) -> str:
    """The JSON object *text* with *value* for its member *name*; of two members of that name, the last one is replaced, because it counts."""
    first, members = _members(text)
    known = [one for one in members if one.name == name]
    blank = text[first : members[0].start] if members else "\n  "
    space = " " if not members or text[members[0].value - 1] == " " else ""
    end = "\r\n" if "\r\n" in text else "\n"
    if "\n" in blank:
        indent = blank.rpartition("\n")[2]
        shown = json.dumps(value, indent=indent, ensure_ascii=False).replace("\n", f"{end}{indent}")
        before = f"{end}{indent}"
    else:
        shown = json.dumps(value, ensure_ascii=False, separators=(f",{space}", f":{space}"))
        before = space
    shown = shown.encode("utf-8", "backslashreplace").decode("utf-8")  # half a surrogate pair is escaped, as it was
    if known:
        return text[: known[-1].value] + shown + text[known[-1].end :]
    added = f"{before}{json.dumps(name)}:{space}{shown}"
    if members:
        return f"{text[: members[-1].end]},{added}{text[members[-1].end :]}"
    return f"{text[:first]}{added}{end}{text[_past_blank(text, first) :]}"


def without_member(text: str, name: str) -> str:
    """The JSON object *text* without its member *name*, the last one of that name."""
    first, members = _members(text)
    at = max(at for at, one in enumerate(members) if one.name == name)
    if at:
        return text[: members[at - 1].end] + text[members[at].end :]
    rest = members[1].start if len(members) > 1 else _past_blank(text, members[0].end)
    return text[: members[0].start if len(members) > 1 else first] + text[rest:]


def _members(text: str) -> tuple[int, list[_Member]]:
    """The position where the content of the object in *text* begins, and its members."""
    decoder, found = json.JSONDecoder(), list[_Member]()
    first = text.index("{") + 1
    at = _past_blank(text, first)
    while text[at] != "}":
        start = _past_blank(text, at + 1) if text[at] == "," else at
        name, at = decoder.raw_decode(text, start)
        value = _past_blank(text, _past_blank(text, at) + 1)
        _, end = decoder.raw_decode(text, value)
        found.append(_Member(name, start, value, end))
        at = _past_blank(text, end)
    return first, found


def _past_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at
