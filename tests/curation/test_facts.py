from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.making import make_tract, texts
from tract.curation.compress.facts import doubt_about, dropped_facts, facts_in, has_nothing_of, invented_facts
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

    with pytest.raises(CompressionError, match="it has nothing of the messages it replaces"):
        t.compress(keep_recent=1)

    assert len(texts(t)) == 4
    (one,) = t.proposals()
    assert "it has nothing of the messages it replaces" in one.reasoning


def test_what_somebody_looks_at_anyway_is_not_refused_for_having_nothing_but_told() -> None:
    t = make_tract(*BOOKING, "and then")

    pending = t.compress(keep_recent=1, auto_commit=False, summariser=lambda _: "I'm happy to answer any question")

    assert ["the summary is unfit: it has nothing of the messages it replaces"] == [
        one.detail for one in pending.warnings
    ]
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


def invented(said: str, sources: list[str] = BOOKING) -> list[str]:
    return [fact.text for fact in invented_facts(sources, said)]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("650 cars at 21:15 in src/ferry.py, says Mia Wilson of Lufthansa", ["src/ferry.py", "650", "21:15", "Lufthansa"]),
        ("flight XYZ999 for $15, or $1", ["XYZ999", "$15", "$1"]),
        ("ZFA04Y: HAT136 on May 20, 2024 at 5:00 pm for 150, in economy", []),  # 17:00 and 2024-05-20 in other forms
        ("1. three files, 12 bags, 3 flights of 2, the 2nd late; see HAT039", []),  # counts and ordinals
    ],
)  # fmt: skip
def test_what_a_summary_states_and_no_source_does_is_invented(said: str, told: list[str]) -> None:
    assert told == invented(said)


def test_a_number_is_its_digits_and_a_path_its_last_part() -> None:
    sources = ["2,400 litres at 07:15; edit /home/ferry/src/crew.py and mia_wilson_4422"]
    assert [] == invented("2400 litres at 7:15, in src/crew.py of ferry/src/crew.py, for Mia Wilson", sources)
    assert ["240", "41:50"] == invented("about 240 litres, not at 41:50", sources)


def test_a_whole_number_that_may_count_the_messages_is_no_fact() -> None:
    assert ["41", "$40"] == invented("40 messages of 41, $40", ["word"] * 40)


def test_more_that_nobody_said_than_that_somebody_did_is_a_doubt() -> None:
    said = "Mia Wilson asked about the reservation ZFA04Y from Boston"
    assert doubt_about(BOOKING, said) is None
    assert doubt_about(BOOKING, f"{said}; the sum is $346") is None
    assert doubt_about(BOOKING, f"{said}, HAT136, $150, 17:00: $346 of $496 at 20:15") is None  # most was said
    assert doubt_about(BOOKING, f"{said}, HAT136: $346 of $496") is None  # as many as were said
    assert doubt_about(BOOKING, f"{said}: $346 of $496 at 20:15") == (
        "states 4 numbers, paths and ids, and 3 of them are in no message: $346, $496, 20:15"
    )
    assert doubt_about(BOOKING, "I'm happy to answer any question") == "has nothing of the messages it replaces"


def test_a_fleet_that_a_small_model_made_of_a_ferry_is_a_doubt() -> None:
    ferry = ["How many cars fit on it?", "Twelve cars, or eight and one lorry of at most 18 tonnes.", "Until when?"]
    said = "It has 27 cars, or eight and one lorry of at most 18 tonnes, and can hold up to 650 cars."
    assert doubt_about(ferry, said) == "states 3 numbers, paths and ids, and 2 of them are in no message: 27, 650"


INVENTING = "The reservation of Mia Wilson to Denver costs $650 for 30 bags at 21:15, in class QX77Z."


def test_a_model_s_summary_that_is_mostly_invented_waits_and_what_it_invented_is_told() -> None:
    t = make_tract(*BOOKING, "and then")
    t.configure_policies(autonomy="autonomous")
    t.configure_llm(lambda *_, **__: INVENTING)

    with pytest.raises(CompressionError, match=r"4 of them are in no message: QX77Z, \$650, 30, 21:15; it waits"):
        t.compress(keep_recent=1)

    assert len(texts(t)) == 4
    (waiting,) = t.pending_compressions()
    assert "in no message: QX77Z" in t.proposals()[0].reasoning
    told = t.invented_facts(waiting)
    assert ["QX77Z", "$650", "30", "21:15"] == [fact.text for fact in told]
    done = t.approve_compression()
    assert done.invented == told == t.invented_facts("HEAD")
    assert "HAT136" in {fact.text for fact in done.dropped}
    assert ["summary_unfit"] == [one.kind for one in done.warnings]


def test_what_a_person_or_a_rule_writes_lands_and_its_inventions_are_told() -> None:
    t = make_tract(*BOOKING, "and then")

    plan = t.compress(content=INVENTING, keep_recent=1, dry_run=True)
    done = t.compress(content=INVENTING, keep_recent=1)

    assert plan.invented == done.invented == t.invented_facts(done.commit_hash or "")
    assert plan.dropped == done.dropped
    assert "$650" in {fact.text for fact in done.invented}
    assert () == done.warnings


CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"


@pytest.mark.skipif(not CORPUS.exists(), reason="there is no ../shared/corpus")
def test_true_summaries_of_the_corpus_raise_no_doubt_and_those_of_other_talks_do() -> None:
    session = (CORPUS / "entireio+cli/72/0c20f08988/0/full.jsonl").read_text().splitlines()
    (at,) = [number for number, line in enumerate(session) if '"isCompactSummary":true' in line]
    compaction = json.loads(session[at])["message"]["content"]
    said = compaction if isinstance(compaction, str) else compaction[0]["text"]
    assert doubt_about(session[:at], said) is None
    assert len(invented(said, session[:at])) < len(facts_in([said])) / 10

    talks = json.loads((CORPUS / "sierra-research+tau-bench/historical_trajectories/gpt-4o-airline.json").read_text())
    told = []  # the longest that the agent says in each, which tells the user what was found, and all before it
    for talk in talks:
        turns = talk["traj"]
        answers = [n for n, one in enumerate(turns) if one["role"] == "assistant" and n > 4]
        if answers:
            last = max(answers, key=lambda n: len(turns[n].get("content") or ""))
            told.append(([json.dumps(one) for one in turns[:last]], turns[last].get("content") or ""))
    long = [one for one in told if len(re.findall(r"\d+", one[1])) >= 10]

    assert [] == [said for sources, said in told if (doubt_about(sources, said) or "").startswith("states")]
    others = [doubt_about(told[(told.index(one) + 37) % len(told)][0], one[1]) for one in long]
    assert len(list(filter(None, others))) > 0.8 * len(long) > 50


@pytest.mark.parametrize(
    ("said", "doubt"),
    [
        ("The economy reservation from Boston to Denver is now QX77Z.", "states one id, QX77Z, that is in no message"),
        (
            "The economy reservation from Boston to Denver is in src/billing/refunds.py.",
            "states one path, src/billing/refunds.py, that is in no message",
        ),
        ("The economy reservation from Boston to Denver is $650 in all.", None),
        ("The economy reservation ZFA04Y from Boston to Denver is now QX77Z.", None),
    ],
    ids=["an id", "a path", "a number may be a sum", "one beside one that stands is told"],
)
def test_a_path_or_an_id_alone_that_no_message_has_is_doubted(said: str, doubt: str | None) -> None:
    assert doubt_about(BOOKING, said) == doubt


SHORT = [
    "Please move my appointment with Doctor Weber to Friday at 14:30, because the children are travelling to Hamburg, and bring the medical papers."
]


def test_a_short_source_that_states_something_is_judged_too() -> None:
    assert has_nothing_of(SHORT, "I'm happy to answer any question.")
    assert not has_nothing_of(SHORT, "The appointment is on Friday.")
    assert not has_nothing_of(SHORT, "Moved to 14:30.")


def test_a_short_source_that_states_no_fact_may_be_told_in_other_words() -> None:
    assert not has_nothing_of(["Please return everything, because nobody wanted those trousers anyway."], "A refund.")
