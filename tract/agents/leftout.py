"""The note that a rule writes in the place of messages it leaves out: one form for policies and advice.

[40 messages left out here, summed up by rule; expand brings them back]
files: src/app.py, docs/index.md                    the most important lines first,
tools: grep ×12, edit ×3                            as far as there is room
asked: is the flight on time?
and 3 more times
last said: the flight is on time
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tract.curation.compress.facts import paths_in
from tract.dataclass import dataclass, field
from tract.report.text import count_of, excerpt

KEPT_TURNS = 20
"""The number of the model's last turns whose files are in use: the note keeps naming them."""

MOST_READ = 1000
"""The number of last messages searched for files if the model had fewer turns, or longer ones."""

MOST_ASKED = 8
"""The number of the user's requests that are quoted."""

_MOST_FILES = 200
_MOST_TOOLS = 12
_REQUEST = 100
_WORDS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """The facts about *count* left-out messages: files they named, calls of each tool, the user's requests and how many *more* there were, earlier summaries, and the model's last words."""

    count: int
    files: Sequence[str] = ()
    tools: Counter[str] = field(default_factory=Counter)
    asked: Sequence[str] = ()
    more: int = 0
    summaries: Iterable[str] = ()
    last_said: Iterable[str] = ()


def files_left_out(going: Iterable[str], staying: Iterable[str]) -> list[str]:
    """The files that the texts *going* name and the texts *staying* do not."""
    kept = set(paths_in(staying))
    return [one for one in paths_in(going) if one not in kept]


def note_of(gone: LeftOut, room: int | None = None) -> str:
    """The note; with *room*, at most that many characters, apart from its first line."""
    lines = [f"[{count_of(gone.count, 'message')} left out here, summed up by rule; expand brings them back]"]
    size = 0
    for part in _parts(gone):
        if room is None or size + len(part) + 1 <= room:
            lines.append(part)
            size += len(part) + 1
    return "\n".join(lines)


def _parts(gone: LeftOut) -> Iterator[str]:
    yield from (excerpt(text, _WORDS) for text in gone.summaries)
    if gone.files:
        yield f"files: {', '.join(gone.files[-_MOST_FILES:])}"
    if gone.tools:
        yield f"tools: {', '.join(f'{name} ×{number}' for name, number in gone.tools.most_common(_MOST_TOOLS))}"
    yield from (f"asked: {excerpt(text, _REQUEST)}" for text in gone.asked)
    if gone.more > 0:
        yield f"and {gone.more} more times"
    yield from (f"last said: {excerpt(text, _WORDS)}" for text in gone.last_said)
