from __future__ import annotations

import pytest

from tests.making import make_tract, texts
from tract.curation.compress.facts import dropped_facts, facts_in, has_nothing_of
from tract.errors import CompressionError

BOOKING = [
    "I want to change the reservation ZFA04Y of Mia Wilson from Boston to Denver on 2024-05-20, economy class, two bags.",
    "The flights HAT136 and HAT039 leave at 17:00; the difference is $150, charged to the credit card ending in 1234.",
    "Decision: rebook in economy\nThe passenger insurance covers cancellation for medical reasons and weather delays.",
]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("id", "ZFA04Y"),
        ("id", "HAT136"),
        ("name", "Mia Wilson"),
        ("number", "$150"),
        ("number", "17:00"),
        ("decision", "rebook in economy"),
    ],
)
def test_facts_are_told_by_their_looks(kind: str, text: str) -> None:
    assert (kind, text) in facts_in(BOOKING)


def test_paths_are_facts() -> None:
    found = {fact.text for fact in facts_in(["edit src/app/main.py and /etc/hosts.d/x, see README.md; 3/4 of it"])}
    assert {"src/app/main.py", "/etc/hosts.d/x", "README.md"} <= found


def test_what_a_summary_has_is_not_dropped() -> None:
    dropped = {fact.text for fact in dropped_facts(BOOKING, "mia wilson rebooks ZFA04Y for $150")}
    assert "HAT136" in dropped
    assert dropped.isdisjoint({"ZFA04Y", "Mia Wilson", "$150"})


@pytest.mark.parametrize("said", ["I'm happy to answer any question", "Sure! How can I help you today?", "{}", "N/A"])
def test_a_summary_that_has_nothing_of_its_source_is_told(said: str) -> None:
    assert has_nothing_of(BOOKING, said)


def test_two_words_of_a_long_source_are_chance() -> None:
    ferry = [
        "When does the ferry leave?", "At 07:15 and at 18:30 from pier 4.", "How many cars fit on it?",
        "Twelve cars, or eight and one lorry of at most 18 tonnes.", "The port engine was loud yesterday.",
        "Its exhaust valve leaked. Ms Olm changed it on 3 May; the part was 17-B.", "Who has the night watch?",
        "Teemu until 02:00, then Aino.", "Is there fuel for the week?", "2,400 litres, which is enough until Friday noon.",
        "What did the coast guard want?", "They asked for the crew list by Thursday, to office 12.",
        "Is the harbour closed during winter storms?", "Only where waves are above three metres.",
    ]  # fmt: skip
    assert has_nothing_of(ferry, "<<The crew of the ferry is about to go>> You help them. Be brief.")
    assert not has_nothing_of(ferry, "The ferry's engine valve leaked and was mended; the coast guard wants a list.")


@pytest.mark.parametrize("said", ["Passenger rebooked to Denver.", "ZFA04Y changed", "退票已完成"])
def test_a_summary_that_has_something_of_it_or_cannot_be_told_is_not(said: str) -> None:
    assert not has_nothing_of(BOOKING, said)


def test_a_model_s_nonsense_waits_for_approval_instead_of_landing() -> None:
    t = make_tract(*BOOKING, "and then")
    t.configure_llm(lambda *_, **__: "I'm happy to answer any question")

    with pytest.raises(CompressionError, match="it has nothing of what it stands for"):
        t.compress(keep_recent=1)

    assert len(texts(t)) == 4
    (one,) = t.proposals()
    assert "it has nothing of what it stands for" in one.reasoning


def test_what_somebody_looks_at_anyway_is_not_refused_for_having_nothing_but_told() -> None:
    t = make_tract(*BOOKING, "and then")

    pending = t.compress(keep_recent=1, auto_commit=False, summariser=lambda _: "I'm happy to answer any question")

    assert ["the summary is unfit: it has nothing of what it stands for"] == [one.detail for one in pending.warnings]
    assert [pending] == t.pending_compressions()
    assert t.approve_compression().commit_hash is not None


def test_every_compression_says_what_went_and_keeps_that() -> None:
    t = make_tract(*BOOKING, "and then")

    pending = t.compress(content="ZFA04Y was rebooked", keep_recent=1, auto_commit=False)
    assert "HAT136" in {fact.text for fact in t.dropped_facts(pending)}
    done = t.approve_compression()

    assert "HAT136" in {fact.text for fact in done.dropped}
    assert t.dropped_facts(done.commit_hash or "") == done.dropped
    assert t.dropped_facts("HEAD") == done.dropped


def test_of_few_words_and_many_numbers_a_summary_with_none_of_them_is_told() -> None:
    sources = [f"Flight {number} to Lisbon leaves at {number}:30 from gate B{number}." for number in range(20, 40)]

    assert has_nothing_of(sources, "I'm happy to answer any question.")
    assert not has_nothing_of(sources, "All flights leave for Lisbon.")
    assert not has_nothing_of(sources, "The last one is 39:30.")
