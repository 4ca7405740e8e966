"""``--format``: the output for a commit, as a text with placeholders.

| placeholder | stands for |
|---|---|
| ``%H`` ``%h`` | the id, and its first digits |
| ``%P`` ``%p`` | the parents' ids |
| ``%an`` ``%ad`` ``%ar`` ``%aI`` ``%at`` | author; date, as an age, in ISO 8601, in seconds since 1970 |
| ``%s`` ``%b`` ``%B`` | the first line of the message's text, the lines after it, all of them |
| ``%N`` | the note on the commit |
| ``%r`` ``%t`` ``%o`` ``%k`` ``%M`` | role, tokens (``~`` before an estimate), operation, priority, model |
| ``%d`` ``%D`` | the names of the commit, with brackets and without |
| ``%n`` ``%%`` ``%x09`` | a new line, a percent sign, the character with that code |

Anything else stays as it is, as in git.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from tract.cli.rendering import SHORT, Line, date_text
from tract.escape import escaped

_PLACEHOLDER = re.compile(r"%(x[0-9a-fA-F]{2}|a[ndrIt]|[HhPpsbBNrtokMdDn%])")


def formatted(format: str, line: Line, names: list[str] | None) -> str:
    """*format* with its placeholders replaced by the commit's values; escaped, except for new lines."""
    shown = ", ".join(names or ())
    info = line.info
    first, _, rest = line.text.partition("\n")
    values: dict[str, Callable[[], str]] = {
        "H": lambda: line.id,
        "h": lambda: line.id[:SHORT],
        "P": lambda: " ".join(info.parent_hashes),
        "p": lambda: " ".join(parent[:SHORT] for parent in info.parent_hashes),
        "an": lambda: _flat(info.author),
        "ad": lambda: date_text(info.created_at),
        "ar": lambda: _age_text(info.created_at),
        "aI": lambda: info.created_at.isoformat(),
        "at": lambda: str(int(info.created_at.timestamp())),
        "s": lambda: first,
        "b": lambda: rest,
        "B": lambda: line.text,
        "N": lambda: info.message or "",
        "r": lambda: _flat(line.role),
        "t": lambda: f"{'' if line.exact else '~'}{info.token_count}",
        "o": lambda: info.operation.value,
        "k": lambda: info.priority.value,
        "M": lambda: _flat(str((info.generation_config or {}).get("model", ""))),
        "d": lambda: f" ({_flat(shown)})" if shown else "",
        "D": lambda: _flat(shown),
        "n": lambda: "\n",
        "%": lambda: "%",
    }
    return _PLACEHOLDER.sub(
        lambda match: escaped(chr(int(match[1][1:], 16)) if match[1][0] == "x" else values[match[1]]()), format
    )


def _flat(text: str) -> str:
    return text.replace("\n", "\\n")


def _age_text(when: datetime) -> str:
    """The age of a moment, as git words it: ``3 hours ago``."""
    seconds = int((datetime.now(UTC) - when).total_seconds())
    if seconds < 0:
        return "in the future"
    for unit, length, most in (
        ("second", 1, 90),
        ("minute", 60, 90),
        ("hour", 3600, 36),
        ("day", 86400, 14),
        ("week", 604800, 10),
        ("month", 2629746, 24),
    ):
        count = (seconds + length // 2) // length
        if count < most:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return f"{(seconds + 15778476) // 31556952} years ago"
