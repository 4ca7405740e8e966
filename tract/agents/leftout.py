"""The note that a rule writes in the place of messages which it leaves out: one form for policies and advice.

[40 messages left out here, summed up by rule; expand brings them back]
files: src/app.py, docs/index.md                    in the order of how much is missed without them,
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
"""The model's last turns, whose files are in use: they are named on, whatever goes."""

MOST_READ = 1000
"""In so many of the last messages files are looked for where the model has had fewer turns, or longer ones."""

MOST_ASKED = 8
"""So many of the user's requests are quoted."""

_MOST_FILES = 200
_MOST_TOOLS = 12
_REQUEST = 100
_WORDS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What is known of *count* messages that are left out: the files they named, how often each tool was called, what the user asked and how many times *more*, earlier summaries, and what the model said last."""

    count: int
    files: Sequence[str] = ()
    tools: Counter[str] = field(default_factory=Counter)
    asked: Sequence[str] = ()
    more: int = 0
    summaries: Iterable[str] = ()
    last_said: Iterable[str] = ()


def files_left_out(going: Iterable[str], staying: Iterable[str]) -> list[str]:
    """The files that the texts *going* name, and none of those *staying*."""
    kept = set(paths_in(staying))
    return [one for one in paths_in(going) if one not in kept]


def note_of(gone: LeftOut, room: int | None = None) -> str:
    """The note; with *room* no longer than so many characters, but for its first line."""
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
