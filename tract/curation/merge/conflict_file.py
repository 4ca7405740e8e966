"""Conflicts as a text that a person edits, and the resolutions read back from it.

    # Merge of 'draft' into 'main': 1 conflict
    …
    @@@@@@@ 9f2c41aa 1/1 message 3fa9c1d5e2… (user, message 4, both-edited)
    <<<<<<< 9f2c41aa ours: main
    our text
    ||||||| 9f2c41aa base
    the text both came from
    ======= 9f2c41aa
    their text
    >>>>>>> 9f2c41aa theirs: draft
    @@@@@@@ 9f2c41aa end

The word after each marker is in none of the texts, so no text can be taken for a marker, and no marker for a text.
When the file is read, the exact text between two lines with @ is the message, blanks included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import count, pairwise

from blake3 import blake3

from tract.curation.editable import value_with_text
from tract.curation.merge.resolve import resolve_conflict
from tract.curation.merge.result import MergeConflict, MergeResolution, MergeResult, Resolver
from tract.dataclass import dataclass
from tract.errors import ContentValidationError, MergeConflictError, MergeError
from tract.history.three_way import ConflictKind

_SECTION = "@@@@@@@"


@dataclass(frozen=True, slots=True)
class ConflictFile:
    """Conflicts as the text of a file.

    *heading* says which command has the conflicts, *seed* is the same only for the same conflicts, and *command* is the command that continues with them.
    *names* are those of our side and of theirs, by conflict.
    """

    heading: str
    seed: str
    command: str
    names: tuple[tuple[str, str], ...]
    conflicts: tuple[MergeConflict, ...]

    @classmethod
    def of_merge(cls, result: MergeResult) -> ConflictFile:
        """The unresolved conflicts of a merge."""
        heading = f"Merge of '{result.source}' into '{result.target_branch}'"
        names = ((result.target_branch, result.source),) * len(result.unresolved)
        return cls(heading, f"{result.target_hash} {result.source_hash}", "merge", names, result.unresolved)

    def text(self) -> str:
        """The text of the file, for an editor."""
        conflicts, command = self.conflicts, self.command
        token = _token(self)
        number = len(conflicts)
        lines = [
            f"# {self.heading}: {number} conflict{'' if number == 1 else 's'}",
            "",
            f"Below each line that begins with {_SECTION} stands one message, as both sides have it.",
            "Edit it until it says what it shall say, and take out the lines with markers (<<<<<<< ||||||| ======= >>>>>>>).",
            f"The lines with {_SECTION} stay. Then 'tract {command} --continue' goes on, and 'tract {command} --abort' gives it up.",
            *_notes(conflicts),
            "",
        ]
        for at, conflict in enumerate(conflicts, 1):
            lines += _section(self.names[at - 1], conflict, f"{token} {at}/{number}", token)
        lines.append(f"{_SECTION} {token} end")
        return "\n".join(lines) + "\n"

    def read(self, text: str, resolver: Resolver | None = None) -> tuple[MergeResolution, ...]:
        """The resolutions in the edited *text*, in order; *resolver* decides the conflicts still in it.

        MergeConflictError if a marker is left and there is no resolver, or it does not decide; MergeError if a section is missing, or cannot be its message. Both name the section.
        """
        token = _token(self)
        bodies = _bodies(text, token, len(self.conflicts))
        made = []
        for at, (conflict, body) in enumerate(zip(self.conflicts, bodies, strict=True), 1):
            name = f"section {at} (message {conflict.commit_hash[:16]})"
            if token not in body:
                made.append(_resolution(conflict, body, name))
                continue
            decided = None if resolver is None else resolve_conflict(resolver, conflict)
            if decided is None:
                raise MergeConflictError(f"{name} has a line with a marker left")
            made.append(decided)
        return tuple(made)


def _token(page: ConflictFile) -> str:
    """A word that is in none of the texts; the same conflicts always get the same word."""
    texts = [text for one in page.conflicts for text in (one.base, one.ours, one.theirs) if text is not None]
    for number in count():
        token = blake3(f"{page.seed} {number}".encode()).hexdigest()[:8]
        if not any(token in text for text in texts):
            return token
    raise AssertionError


def _notes(conflicts: Sequence[MergeConflict]) -> Iterator[str]:
    kinds = {conflict.kind for conflict in conflicts}
    if any(conflict.format == "json" for conflict in conflicts):
        yield "A message that is more than a text is shown as JSON, and must be JSON again."
    if ConflictKind.EDITED_AND_REMOVED in kinds:
        yield "A section left empty removes its message, where one side removed it (edited-and-removed)."
    if ConflictKind.EDITED_AND_SKIPPED in kinds:
        yield "What is skipped stays hidden from the model until its priority is set to normal (edited-and-skipped)."


def _section(names: tuple[str, str], conflict: MergeConflict, head: str, token: str) -> Iterator[str]:
    ours, theirs = names
    about = f"({conflict.role}, message {conflict.number}, {conflict.kind})"
    yield f"{_SECTION} {head} message {conflict.commit_hash} {about}"
    yield f"<<<<<<< {token} ours: {ours}{_absent(conflict.ours)}"
    yield from _lines(conflict.ours)
    yield f"||||||| {token} base{_absent(conflict.base)}"
    yield from _lines(conflict.base)
    yield f"======= {token}"
    yield from _lines(conflict.theirs)
    yield f">>>>>>> {token} theirs: {theirs}{_absent(conflict.theirs)}"


def _absent(text: str | None) -> str:
    return " (not there)" if text is None else ""


def _lines(text: str | None) -> tuple[str, ...]:
    return () if text is None else (text,)


def _bodies(text: str, token: str, number: int) -> list[str]:
    """The text of each section, in order."""
    if f"{_SECTION} {token} end\r\n" in text:
        text = text.replace("\r\n", "\n")  # the editor's line ends: the file was written without CR
    marks = list(re.finditer(rf"^{_SECTION} {token} (?:([0-9]+)/{number} .*|end)[ \t]*(?:\n|\Z)", text, re.M))
    found = [mark[1] for mark in marks]
    expected = [*map(str, range(1, number + 1)), None]
    for at, name in enumerate(expected):
        if at >= len(found) or found[at] != name:
            what = f"line of section {name}" if name is not None else "line at its end"
            raise MergeError(
                f"the file of conflicts is not whole: the {what} ({_SECTION} {token} {name or 'end'}) is not where it was"
            )
    if len(found) > len(expected):
        raise MergeError(f"the file of conflicts is not whole: a line with {_SECTION} is there twice")
    return [text[mark.end() : following.start()].removesuffix("\n") for mark, following in pairwise(marks)]


def _resolution(conflict: MergeConflict, body: str, name: str) -> MergeResolution:
    if not body.strip():
        if conflict.kind is ConflictKind.EDITED_AND_REMOVED:
            return MergeResolution(conflict.commit_hash, "nothing")
        raise MergeConflictError(f"{name} is empty")
    try:
        value = value_with_text(conflict.value, body, conflict.format)
    except ContentValidationError as exc:
        raise MergeError(f"{name} cannot be the message: {exc}") from exc
    return MergeResolution(conflict.commit_hash, "content", value=value)
