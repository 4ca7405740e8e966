"""The warnings for a message that is sent otherwise than it was committed: their kinds, rules and words.

The numbers are those of docs/sending.md.
"""

from __future__ import annotations

from collections.abc import Iterable

from tract.messages.message import CompileWarning
from tract.messages.parts import Notes
from tract.messages.tool_names import TARGETS, Target
from tract.named_tuple import NamedTuple


class _Said(NamedTuple):
    """The rule that is followed, its wording, and whether ``strict`` refuses it: it does not if the request itself tells the model."""

    rule: int
    sentence: str
    strict: bool = True


_KINDS: dict[str, _Said] = {
    "unpaired_tool_call": _Said(1, "no result was recorded for the tool call {}"),
    "open_tool_call": _Said(2, "the tool call {} waits for its result"),
    "tool_result_moved": _Said(3, "the results of {} were moved up to directly follow their calls"),
    "repeated_tool_result": _Said(4, "another result for {} came before, and this one is left out"),
    "unpaired_tool_result": _Said(5, "no call comes before the tool result {}, and it is left out"),
    "tool_id_changed": _Said(6, "the call has another id in this request: {}", strict=False),
    "messages_joined": _Said(7, "several messages became one: {}", strict=False),
    "calls_parted": _Said(7, "the calls of one answer became several messages: {}", strict=False),
    "reasoning_left_out": _Said(8, "the reasoning item {} is left out"),
    "item_id_left_out": _Said(9, "the item is sent without its id: {}", strict=False),
    "thinking_left_out": _Said(10, "{} is left out"),
    "message_left_out": _Said(11, "the message is left out: {}"),
    "empty_text_left_out": _Said(11, "{} is left out"),
    "white_space_left_out": _Said(12, "white space is left out {}"),
    "keys_left_out": _Said(13, "the API refuses these keys, and they are left out: {}", strict=False),
    "part_left_out": _Said(14, "{} is left out"),
    "value_changed": _Said(15, "the API refuses this value, and it was changed: {}", strict=False),
    "tool_name_changed": _Said(15, "a tool's name is sent as the API takes it: {}", strict=False),
    "unknown_role": _Said(16, "no provider knows the role {}"),
    "error_text_added": _Said(17, "a failed tool's result must have a text, and {} gets one"),
    "system_moved": _Said(18, "a {} message inside the conversation was moved to the system prompt"),
    "instructions_as_user": _Said(19, "a context of instructions alone is sent as a user's message"),
    "first_message_added": _Said(19, "the conversation begins with {}, and a user's message before it says so"),
    "cache_marks_left_out": _Said(20, "more cache marks than the API takes: {}", strict=False),
    "compaction_as_text": _Said(21, "the provider's summary of the conversation is sent as text", strict=False),
    "compaction_lost": _Said(
        21, "a compaction that only its own provider can read stands for the conversation so far, and is not sent"
    ),
    "no_counterpart": _Said(0, "not carried over to {format}: {}", strict=False),
    "invalid_arguments": _Said(
        15, "the arguments of {} are not a JSON object and were put under the key 'arguments'", strict=False
    ),
    "is_error_lost": _Said(0, "not carried over to {format}: {}", strict=False),
}


def warnings_of(notes: Notes, target: Target) -> tuple[CompileWarning, ...]:
    """The notes taken while a request for *target* was written, as warnings."""
    return tuple(
        CompileWarning(kind, _sentence(kind, subjects, target), index=index, formats=(target,), rule=_KINDS[kind].rule)
        for index, kind, subjects in notes.found()
    )


def _sentence(kind: str, subjects: Iterable[str], target: Target) -> str:
    return _KINDS[kind].sentence.replace("{format}", target).replace("{}", ", ".join(subjects))


def is_refused(warning: CompileWarning) -> bool:
    """Whether ``strict`` refuses a context with *warning*."""
    return warning.kind not in _KINDS or _KINDS[warning.kind].strict


def united(warnings: Iterable[CompileWarning]) -> tuple[CompileWarning, ...]:
    """The warnings of several formats, each once, with the formats it concerns; ordered by message."""
    formats: dict[tuple[str, str, int | None, str | None, int], list[str]] = {}
    for one in warnings:
        formats.setdefault((one.kind, one.detail, one.index, one.commit, one.rule), []).extend(one.formats)
    found = [
        CompileWarning(
            kind,
            detail,
            index=index,
            commit=commit,
            formats=tuple(name for name in TARGETS if name in names),
            rule=rule,
        )
        for (kind, detail, index, commit, rule), names in formats.items()
    ]
    return tuple(sorted(found, key=lambda one: (-1 if one.index is None else one.index, one.kind)))
