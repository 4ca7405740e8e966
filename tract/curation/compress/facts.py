"""Facts that a summary can lose or invent: the numbers, names, paths, ids and decisions of its messages.

They are recognised by their form, with no model; a summary has a fact if its text contains it.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from itertools import islice
from typing import Literal, TypeAlias

from tract.named_tuple import NamedTuple

FactKind: TypeAlias = Literal["decision", "path", "id", "number", "name"]

MOST_FACTS = 200
"""The most facts that are listed for one compression, dropped or invented."""

_LONGEST = 200_000
"""The characters of one text that are searched."""

# Compiled when they are used: to show a plan needs none.
_PATTERNS: tuple[tuple[FactKind, str], ...] = (
    ("decision", r"(?im)^\s*(?:[-*] )?(?:decision|decided|agreed)s?:? +(\S.{3,160})$"),
    (
        "path",
        r"(?<![\w/:])((?:~|\.{1,2})?(?:/[\w.@+-]+){2,}|[\w.@+-]+(?:/[\w.@+-]+)+\.\w{1,6}|\b[\w-]+\.(?:py|pyi|js|jsx|ts|tsx|go|rs|rb|java|kt|c|h|cc|cpp|cs|php|sh|sql|md|rst|txt|json|jsonl|ya?ml|toml|ini|cfg|csv|html|css|lock|log))\b",
    ),
    (
        "id",
        r"(?<![\w/.-])((?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])[A-Za-z0-9][A-Za-z0-9_-]{4,63})(?![\w/-]|\.\w)",
    ),
    ("number", r"(?<![\w.])([$€£]?\d[\d,.:]*\d%?|[$€£]\d|\d%)(?!\w)"),
    ("name", r"(?<=[a-z,;:] )([A-Z][a-z]{2,}(?: [A-Z][a-z]+){0,3})"),
)

_DIGITS = r"\d+"
_THOUSANDS = r"(?<=\d),(?=\d{3})"
_MOST_COUNTED = 12
"""Up to this a number may be a count, an ordinal, a month, or an hour of the afternoon."""

_MONTHS = frozenset(
    [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ]
)
"""Names of months, for dates in another form."""

_LEAST_INVENTED = 2
"""One invented number may be a sum, or a date in another form."""

_MOST_QUOTED = 5

_TELLING = r"[^\W\d_]{5,}"
_LEAST_SOURCE = 20
_LEAST_WITH_FACTS = 10
"""Sources with fewer distinctive words are too short to judge by; the second number holds for sources that state a fact."""

_MOST_CHANCE = 3
"""Any text of a model may share this many distinctive words with a source by chance."""

COMMON = frozenset(
    [
        "about",
        "above",
        "after",
        "again",
        "against",
        "along",
        "already",
        "always",
        "another",
        "answer",
        "answers",
        "anything",
        "around",
        "assist",
        "assistance",
        "available",
        "because",
        "before",
        "begin",
        "being",
        "below",
        "between",
        "called",
        "conversation",
        "could",
        "different",
        "discuss",
        "doing",
        "done",
        "during",
        "either",
        "every",
        "everything",
        "first",
        "following",
        "further",
        "general",
        "given",
        "going",
        "great",
        "happy",
        "having",
        "hello",
        "helpful",
        "hours",
        "however",
        "include",
        "including",
        "information",
        "instead",
        "itself",
        "keep",
        "later",
        "least",
        "little",
        "looking",
        "maybe",
        "might",
        "minutes",
        "model",
        "never",
        "nothing",
        "number",
        "often",
        "other",
        "others",
        "people",
        "perhaps",
        "please",
        "point",
        "possible",
        "prompt",
        "provide",
        "question",
        "questions",
        "quite",
        "ready",
        "really",
        "request",
        "right",
        "sentence",
        "several",
        "shall",
        "should",
        "something",
        "still",
        "summarize",
        "summary",
        "support",
        "sure",
        "system",
        "thank",
        "thanks",
        "their",
        "there",
        "these",
        "thing",
        "things",
        "think",
        "those",
        "though",
        "three",
        "through",
        "today",
        "together",
        "tomorrow",
        "under",
        "understand",
        "until",
        "using",
        "usually",
        "wanted",
        "welcome",
        "where",
        "whether",
        "which",
        "while",
        "whole",
        "whose",
        "within",
        "without",
        "words",
        "would",
        "write",
        "wrong",
        "years",
        "your",
        "yours",
        "assistant",
        "message",
        "messages",
        "context",
    ]
)


NOTHING = "has nothing of the messages it replaces"


class Fact(NamedTuple):
    """A fact that a text states."""

    kind: FactKind
    text: str

    def __str__(self) -> str:
        return f"{self.kind} {self.text}"


def facts_in(texts: Iterable[str]) -> list[Fact]:
    """The facts of *texts*, each once, in the order of their kinds: decisions first, names last."""
    return list(_facts(texts))


def paths_in(texts: Iterable[str]) -> list[str]:
    """The paths in *texts*, each once."""
    return [fact.text for fact in _facts(texts, ("path",))]


def _facts(texts: Iterable[str], kinds: Container[FactKind] | None = None) -> Iterator[Fact]:
    """The facts of *kinds*, or of all kinds; a kind is searched for only after the kinds before it were consumed."""
    found: set[Fact] = set()
    cut = [text[:_LONGEST] for text in texts]
    for kind, pattern in _PATTERNS:
        if kinds is not None and kind not in kinds:
            continue
        for text in cut:
            for match in re.finditer(pattern, text):
                fact = Fact(kind, match.group(1).strip(" .,:"))
                if fact.text and fact not in found:
                    found.add(fact)
                    yield fact


def dropped_facts(sources: Iterable[str], summary: str) -> tuple[Fact, ...]:
    """The facts of *sources* that *summary* lacks, at most ``MOST_FACTS``."""
    kept = summary.casefold()
    missing = (fact for fact in _facts(sources) if fact.text.casefold() not in kept)
    return tuple(islice(missing, MOST_FACTS))


def invented_facts(sources: Iterable[str], summary: str) -> tuple[Fact, ...]:
    """The numbers, names, paths and ids of *summary* that none of *sources* has, at most ``MOST_FACTS``; sums and rates that a model computed are among them.

    A number also matches in another form (``2,400`` and ``2400``, ``2024-05-20`` and ``May 20, 2024``), a path by its last part, a name by its words.
    A whole number that may count messages, or is at most twelve, is not a fact.
    """
    return tuple(islice((fact for fact, stands in _stated(sources, summary) if not stands), MOST_FACTS))


def doubt_about(sources: Iterable[str], summary: str) -> str | None:
    """Why a person should check *summary* before it is used, as a clause about it; None if there is no doubt.

    There is a doubt if the summary has nothing of *sources*; or if more of its numbers, paths and ids are in none of them than in one: at least two, or a single path or id, which no model computes.
    """
    texts = list(sources)
    if has_nothing_of(texts, summary):
        return NOTHING
    stated = [(fact, stands) for fact, stands in _stated(texts, summary) if fact.kind != "name"]
    invented = [fact.text[:40] for fact, stands in stated if not stands]
    if 2 * len(invented) <= len(stated):
        return None
    if len(invented) < _LEAST_INVENTED:
        (fact,) = [fact for fact, stands in stated if not stands]
        return None if fact.kind == "number" else f"states one {fact.kind}, {invented[0]}, that is in no message"
    told = ", ".join(invented[:_MOST_QUOTED])
    return f"states {len(stated)} numbers, paths and ids, and {len(invented)} of them are in no message: {told}"


def _stated(sources: Iterable[str], summary: str) -> Iterator[tuple[Fact, bool]]:
    """The facts of *summary*, and whether *sources* have each; decisions are left out, because a summary words them differently."""
    texts = [text.casefold() for text in sources]
    there = "\n".join(texts)
    numbers = _numbers_in(there)
    most_counted = max(_MOST_COUNTED, len(texts))
    for kind, text in _facts([summary], ("path", "id", "number", "name")):
        folded = text.casefold()
        if kind == "number":
            found = _numbers_in(folded)
            if text.isdecimal() and max(found) <= most_counted:
                continue
            hours = _MOST_COUNTED if ":" in folded else -1
            stands = all(number in numbers or number <= hours for number in found)
        elif kind == "name":
            stands = all(word in there or word in _MONTHS for word in folded.split())
        else:
            stands = folded in there or (kind == "path" and folded.rpartition("/")[2] in there)
        yield Fact(kind, text), stands


def _numbers_in(text: str) -> set[int]:
    """The runs of digits of *text* as numbers; of a run longer than people write, only the beginning."""
    return {int(match.group()[:40]) for match in re.finditer(_DIGITS, re.sub(_THOUSANDS, "", text))}


def has_nothing_of(sources: Iterable[str], summary: str) -> bool:
    """Whether *summary* has no fact and next to no distinctive word of *sources*, which have many: then the model wrote about something else.

    One shared word may be chance, and with long sources two or three.

    For texts in a script without blanks, the answer is always no.
    """
    texts = list(sources)
    words = set(_telling(texts))
    facts = [fact.text.casefold() for fact in facts_in(texts) if fact.kind != "name"]
    has_words = len(words) >= (_LEAST_WITH_FACTS if facts else _LEAST_SOURCE)
    if not has_words and len(facts) < _LEAST_SOURCE:
        return False
    common = len(set(_telling([summary])) & words)
    if common > min(len(words) // _LEAST_SOURCE, _MOST_CHANCE) or not summary.isascii():
        return False
    kept = summary.casefold()
    return not any(fact in kept for fact in facts)


def _telling(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for match in re.finditer(_TELLING, text[:_LONGEST].casefold()):
            if match.group() not in COMMON:
                yield match.group()
