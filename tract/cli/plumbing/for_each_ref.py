"""``tract for-each-ref``: the refs of the tract, one line each, in the form of ``--format``.

Without ``--format`` a line is ``<id> commit<tab><ref>``, as git's.
Each value is on one line: characters that could break it or drive a terminal are escaped.
With ``--json`` each line is an object: ref, short, id, type, author, time, subject, operation, generation, head; time in ISO 8601, UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console, Painted
from tract.compile.workspace import Workspace
from tract.errors import TractError
from tract.history.times import moment
from tract.messages import message_text
from tract.named_tuple import NamedTuple
from tract.objects.id import HEX_SIZE, ObjectId
from tract.objects.model import Commit, CommitOperation
from tract.repo import Repository
from tract.revision import LEAST_PREFIX, resolve_revision, shorten_id, shorten_ref

_SHORT = 10
_DEFAULT = "%(objectname) %(objecttype)%09%(refname)"

_DESCRIPTION = """Print the refs of the tract that match a PATTERN, or all of them: branches, tags and notes, in order of name.

A PATTERN is the beginning of a name up to a slash or its end, such as refs/heads, or has the wildcards * ? [...], none of which matches a slash; ** matches any number of parts.

In a FORMAT, %(name) is a value of the ref and its commit, %% a %, %xx the character with that code, 00 to 7f:

  refname, refname:short   objectname, objectname:short, objectname:short=N
  objecttype (commit)      author                     operation (append, edit, ...)
  time, time:iso           ISO 8601, UTC; time:unix is seconds, time:us microseconds since 1970
  subject                  the first line of the commit's message, or else of what it says
  generation               HEAD (* for the branch HEAD is on, else a blank)

authorname is author; committerdate, authordate and creatordate are time.

--sort takes any of these; a leading - reverses the order. The last --sort counts most, and equal refs are sorted by name.

Exit status: 0, also if nothing matches; 128 for an unknown format or key."""


class _Ref:
    """A ref with its fields, each read when it is first needed."""

    def __init__(self, space: Workspace, name: str, id: ObjectId) -> None:
        self._space = space
        self.name = name
        self.id = id

    @property
    def repo(self) -> Repository:
        return self._space.repo

    @cached_property
    def commit(self) -> Commit:
        return self.repo.commit(self.id)

    @property
    def time(self) -> str:
        return moment(self.commit.time).isoformat(timespec="microseconds")

    @property
    def subject(self) -> str:
        commit = self.commit
        text = commit.message or ""
        blob = None if commit.operation is CommitOperation.NOTE else self.repo.map_in(commit)
        if not text and blob is not None:
            text = message_text(self._space.blobs.message(blob))
        return text.lstrip("\n").partition("\n")[0]

    @property
    def is_head(self) -> bool:
        return self.repo.head()[0] == self.name


_Value = Callable[[_Ref], "str | int"]

_VALUES: dict[str, _Value] = {
    "refname": lambda ref: ref.name,
    "refname:short": lambda ref: shorten_ref(ref.repo, ref.name),
    "objectname": lambda ref: ref.id.hex(),
    "objectname:short": lambda ref: shorten_id(ref.repo, ref.id, _SHORT),
    "objecttype": lambda _: "commit",
    "author": lambda ref: ref.commit.author,
    "time": lambda ref: ref.time,
    "time:iso": lambda ref: ref.time,
    "time:unix": lambda ref: ref.commit.time // 1_000_000,
    "time:us": lambda ref: ref.commit.time,
    "subject": lambda ref: ref.subject,
    "operation": lambda ref: ref.commit.operation.value,
    "generation": lambda ref: ref.commit.generation,
    "HEAD": lambda ref: "*" if ref.is_head else " ",
}

_ALIASES = {"authorname": "author", "committerdate": "time", "authordate": "time", "creatordate": "time"}

_SHORT_ID = re.compile(r"objectname:short=(\d{1,9})")
_TOKEN = re.compile(r"%\(([^()]*)\)|%([0-7][0-9A-Fa-f])|%%|%\(")


class _Text(NamedTuple):
    """A literal part of a format."""

    text: str


def run(console: Console, args: Args) -> int:
    if args.json and args.format is not None:
        console.error("--json and --format exclude each other")
        return USAGE
    if args.count < 0:
        console.error(f"--count takes a number from 0 on, not {args.count}")
        return USAGE
    parts = _parse(_DEFAULT if args.format is None else args.format)
    if parts is None:
        console.error(f"format '{args.format}' has a '%(' that is not closed")
        return USAGE
    keys = [(_value(key.removeprefix("-")), _by_time(key), key.startswith("-")) for key in args.sort]
    with console.open_workspace() as space:
        at = None if args.points_at is None else resolve_revision(space.repo, args.points_at)
        refs = list(_matching(space, args.patterns, at))
        for value, by_time, backwards in keys:
            refs.sort(key=_VALUES["time:us"] if by_time else value, reverse=backwards)
        for ref in refs[: args.count or None]:
            if args.json:
                console.print_json(_document(ref))
            else:
                console.line(*(Painted(part.text) if isinstance(part, _Text) else str(part(ref)) for part in parts))
    return DONE


def _parse(format: str) -> list[_Text | _Value] | None:
    """The parts of *format*; None if a field is not closed."""
    parts: list[_Text | _Value] = []
    at = 0
    for match in _TOKEN.finditer(format):
        parts.append(_Text(format[at : match.start()]))
        at = match.end()
        if match[1] is not None:
            parts.append(_value(match[1]))
        elif match[2] is not None:
            parts.append(_Text(chr(int(match[2], 16))))
        elif match.group() == "%%":
            parts.append(_Text("%"))
        else:
            return None
    return [*parts, _Text(format[at:])]


def _value(atom: str) -> _Value:
    """The function that prints *atom*; TractError for an unknown one."""
    short = _SHORT_ID.fullmatch(atom)
    if short is not None:
        digits = min(max(LEAST_PREFIX, int(short[1])), HEX_SIZE)
        return lambda ref: shorten_id(ref.repo, ref.id, digits)
    name, colon, rest = atom.partition(":")
    found = _VALUES.get(_ALIASES.get(name, name) + colon + rest)
    if found is None:
        raise TractError(f"unknown field '{atom}'; there are {', '.join(_VALUES)}")
    return found


def _by_time(key: str) -> bool:
    """Whether a sort key is a time: its text has fewer digits if the microseconds are zero."""
    name = key.removeprefix("-").partition(":")[0]
    return _ALIASES.get(name, name) == "time"


def _matching(space: Workspace, patterns: Sequence[str], at: ObjectId | None) -> Iterator[_Ref]:
    rules = [_rule(pattern) for pattern in patterns]
    for name, value in space.repo.local_refs("refs/"):
        if not isinstance(value, bytes) or (at is not None and value != at):
            continue
        if not rules or any(rule.match(name) for rule in rules):
            yield _Ref(space, name, value)


def _rule(pattern: str) -> re.Pattern[str]:
    """The names that *pattern* matches: names that begin with it, up to a slash, and names that its wildcards match as a whole."""
    plain = re.escape(pattern.rstrip("/"))
    begins = rf"{plain}/" if pattern.endswith("/") else rf"{plain}(?:/|\Z)"
    return re.compile(rf"{begins}|{_wildcards(pattern)}\Z")


_WILDCARD = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]")
_MEANING = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _wildcards(pattern: str) -> str:
    """A shell's pattern as a regular expression."""
    result = []
    at = 0
    for match in _WILDCARD.finditer(pattern):
        result.append(re.escape(pattern[at : match.start()]))
        at = match.end()
        result.append(_MEANING.get(match.group()) or _char_class(match.group()))
    return "".join([*result, re.escape(pattern[at:])])


def _char_class(text: str) -> str:
    """``[a-z]`` or ``[!a-z]`` as a regular expression; a range that runs backwards is empty."""
    inner = text[1:-1]
    negated = inner.startswith("!")
    inner = inner[negated:]
    members = []
    for first, last in re.findall(r"(.)(?:-(.))?", inner, re.DOTALL):
        if not last:
            members.append(re.escape(first))
        elif first <= last:
            members.append(f"{re.escape(first)}-{re.escape(last)}")
    if not members:
        return "[^/]" if negated else "(?!)"
    return rf"(?!/)[{'^' if negated else ''}{''.join(members)}]"


def _document(ref: _Ref) -> dict[str, Any]:
    return {
        "ref": ref.name,
        "short": shorten_ref(ref.repo, ref.name),
        "id": ref.id.hex(),
        "type": "commit",
        "author": ref.commit.author,
        "time": ref.time,
        "subject": ref.subject,
        "operation": ref.commit.operation.value,
        "generation": ref.commit.generation,
        "head": ref.is_head,
    }


COMMAND = Command(
    run,
    (
        Param("patterns", help="Beginnings of names, or wildcards.", metavar="PATTERN", many=True),
        Param("count", ("--count",), type=int, default=0, help="Print at most N refs; 0 for all.", metavar="N"),
        Param("sort", ("--sort",), help="The field to sort by; -KEY reverses the order.", metavar="KEY", many=True),
        Param("format", ("--format",), help="How to print a ref.", metavar="FORMAT"),
        Param("points_at", ("--points-at",), help="Only refs at this commit.", metavar="REV"),
        Param("json", ("--json",), type=bool, help="Print a JSON object on each line."),
    ),
    _DESCRIPTION,
)
