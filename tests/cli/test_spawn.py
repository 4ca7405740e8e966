"""``tract spawn`` and ``tract collapse``."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run, texts
from tests.llm.server import LLMServer, llm_process, llm_server

__all__ = ["llm_process", "llm_server"]


@pytest.fixture
def lead(run: Run) -> Run:
    """A store whose root tract has three messages."""
    for role, text in (("system", "be brief"), ("user", "four days in Bern"), ("assistant", "gladly")):
        assert 0 == run("commit", "--role", role, text).status
    return run


def test_a_child_is_made_works_and_its_work_comes_back(lead: Run) -> None:
    done = lead("spawn", "--name", "hotels", "-m", "three, please", "find hotels")
    lead("commit", "--tract", "hotels", "--role", "assistant", "Three hotels.")
    back = lead("collapse", "hotels", "--content", "Three near the station.")

    assert (0, 0) == (done.status, back.status)
    assert "[hotels] 4 messages of 'root' at" in done.out
    assert ["be brief", "four days in Bern", "gladly", "three, please", "Three hotels."] == texts(lead, "hotels")
    assert "hotels (find hotels):\nThree near the station." == texts(lead)[-1]
    assert "of root: find hotels" in lead("tracts").out


def test_a_tract_that_is_not_there_is_named_before_a_model_is_looked_for(lead: Run) -> None:
    done = lead("collapse", "nobody")

    assert (128, "tract: there is no tract named 'nobody'") == (done.status, done.err.splitlines()[0])
    assert "'tract tracts' lists the tracts of this store" in done.err


def test_what_a_child_begins_with_is_chosen(lead: Run) -> None:
    lead("spawn", "--name", "a", "--select", "HEAD", "look")
    lead("spawn", "--name", "b", "--priority", "pinned", "look")
    lead("spawn", "--name", "c", "--full-clone", "look")

    assert (["gladly"], ["be brief"], 3) == (texts(lead, "a"), texts(lead, "b"), len(texts(lead, "c")))
    assert 4 == len(lead("log", "--tract", "c", "--json").json_lines)
    assert "head_snapshot" == lead("spawn", "--json", "look").json["inheritance"]


def test_a_model_says_what_a_child_did(lead: Run, llm_server: LLMServer) -> None:
    lead("spawn", "--name", "hotels", "-m", "three", "find hotels")
    llm_server.script("Found three.")

    done = lead("collapse", "hotels", "--json", OPENAI_API_KEY="key", OPENAI_BASE_URL=llm_server.url)

    assert (0, "Found three.", "hotels") == (done.status, done.json["summary_text"], done.json["child_tract_id"])
    waiting = done.json["proposal_id"]
    assert "hotels" in lead("collapse", "--list").out
    approved = lead("collapse", "--approve", waiting[:4], "--content", "Three, to be sure.")
    assert (0, "") == (approved.status, lead("collapse", "--list").out)
    assert "hotels (find hotels):\nThree, to be sure." == texts(lead)[-1]
    llm_server.script("Found none.")
    again = lead("collapse", "hotels", "--auto-commit", OPENAI_API_KEY="key", OPENAI_BASE_URL=llm_server.url)
    assert (0, "hotels (find hotels):\nFound none.") == (again.status, texts(lead)[-1])


def test_a_collapse_is_looked_through_and_expanded(lead: Run) -> None:
    lead("spawn", "--name", "hotels", "find hotels")
    lead("commit", "--tract", "hotels", "--role", "assistant", "Three by the river.")
    lead("commit", "--tract", "hotels", "--role", "assistant", "One on the hill.")
    lead("collapse", "hotels", "--content", "Four in all.")

    shown, blamed = lead("show"), lead("blame", "-L", "4")

    assert "stands for 2 messages of tract 'hotels':" in shown.out
    assert "Three by the river." in shown.out
    assert "[for 2 messages of hotels]" in blamed.out
    assert 2 == len(lead("show", "--json").json["sources"])
    lead("bisect", "start", "HEAD", "HEAD~1")
    assert "tract --tract hotels bisect start" in lead("bisect", "next").err
    lead("bisect", "reset")
    assert 0 == lead("expand", "HEAD").status
    assert ["Three by the river.", "One on the hill."] == texts(lead)[3:]


def test_what_waits_is_rejected_and_refused_when_it_is_stale(lead: Run) -> None:
    lead("spawn", "--name", "hotels", "-m", "three", "find hotels")
    waiting = lead("collapse", "hotels", "--content", "none", "--review", "--json").json["proposal_id"]
    lead("collapse", "hotels", "--content", "three")

    stale = lead("collapse", "--approve", waiting)
    assert (128, True) == (stale.status, "is stale" in stale.err)
    assert 0 == lead("collapse", "--reject", waiting).status
    assert 128 == lead("collapse", "--reject", waiting).status


def test_a_tract_with_children_is_deleted_by_force(lead: Run) -> None:
    lead("tracts", "create", "boss")
    lead("commit", "--tract", "boss", "--role", "user", "hello")
    lead("spawn", "--tract", "boss", "--name", "hotels", "find hotels")

    refused = lead("tracts", "delete", "boss")
    assert (128, True) == (refused.status, "tract 'boss' has children: 'hotels'" in refused.err)
    assert 0 == lead("tracts", "delete", "--force", "boss").status
    assert ["hello"] == texts(lead, "hotels")
    assert 2 == lead("tracts", "list", "--force").status


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (("spawn",), 2),
        (("spawn", "--select", "HEAD", "--priority", "pinned", "x"), 2),
        (("spawn", "--full-clone", "--select", "HEAD", "x"), 2),
        (("spawn", "--max-tokens", "1", "x"), 128),
        (("spawn", "--name", "root", "x"), 128),
        (("collapse", "nobody", "--content", "x"), 128),
        (("collapse", "root", "--content", "x"), 128),
        (("collapse",), 2),
        (("collapse", "--list", "--approve", "x"), 2),
        (("collapse", "x", "--list"), 2),
        (("collapse", "x", "--review", "--auto-commit"), 2),
        (("collapse", "--approve", "x"), 128),
        (("commit", "--tract", "", "x"), 2),
        (("--tract", "", "commit", "x"), 2),
    ],
)
def test_what_cannot_be_is_refused(lead: Run, argv: tuple[str, ...], status: int) -> None:
    assert status == lead(*argv).status
    assert 1 == len(lead("tracts", "--json").json_lines)


def test_agents_work_on_branches_under_their_names_wherever_head_is(lead: Run) -> None:
    lead("branch", "market")
    lead("branch", "rivals")
    lead("commit", "--branch", "market", "--role", "assistant", "a market", TRACT_AUTHOR_NAME="ada")
    lead("--branch", "market", "commit", "--role", "assistant", "a large one", TRACT_AUTHOR_NAME="ada")
    lead("commit", "--role", "assistant", "no rivals", TRACT_BRANCH="rivals", TRACT_AUTHOR_NAME="bob")
    assert ["be brief", "four days in Bern", "gladly"] == texts(lead)
    assert 3 == len(lead("log", "--branch", "market", "-n", "3", "--json").json_lines)
    for name in ("market", "rivals"):
        assert 0 == lead("merge", name).status

    blamed = [(one["author"], one["text"]) for one in lead("blame", "--json").json_lines[3:]]

    assert [("ada", "a market"), ("ada", "a large one"), ("bob", "no rivals")] == blamed
    assert "ada" in lead("log").out
    missing = lead("commit", "--branch", "markt", "hello")
    assert (128, True) == (missing.status, "did you mean 'market'?" in missing.err)
    held = lead("switch", "market", TRACT_BRANCH="rivals")
    assert (128, True) == (held.status, "HEAD cannot be moved" in held.err)
    assert "main" == lead("branch", "--show-current").out.strip()


def test_tracts_are_a_tree_and_usage_is_told_by_tract_and_family(lead: Run) -> None:
    def answer(tract: str, tokens: int) -> None:
        usage = f'{{"input_tokens": {tokens}, "output_tokens": 1}}'
        lead("commit", "--tract", tract, "--role", "assistant", "--usage", usage, f"said by {tract}")

    answer("root", 100)
    lead("spawn", "--name", "b", "second")
    lead("spawn", "--name", "a", "first")
    lead("spawn", "--tract", "b", "--name", "c", "below b")
    answer("b", 20)
    answer("c", 3)
    lead("tracts", "create", "z")

    lines = [line[13:].split(" ")[0:5] for line in lead("tracts", "--counts").out.splitlines()]
    assert [["root"], ["", "", "a"], ["", "", "b"], ["", "", "", "", "c"], ["z"]] == [
        line[: next(at for at, word in enumerate(line) if word) + 1] for line in lines
    ]
    report = lead("usage", "--family", "--json").json
    assert [("b", 20), ("c", 3), ("root", 100)] == [(row["tract"], row["input_tokens"]) for row in report["rows"]]
    assert 123 == report["total"]["input_tokens"]
    assert 23 == lead("usage", "--family", "--tract", "b", "--json").json["total"]["input_tokens"]
    assert 3 == lead("usage", "--tract", "c", "--json").json["total"]["input_tokens"]
    assert "cost" in lead("usage", "--all-tracts").out
    assert 2 == lead("usage", "--family", "--branch", "main").status
