"""Arguments of a kind that a call does not take: each is refused by its name, before anything is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.making import make_tract
from tract import BudgetAction, Session, TiktokenCounter, TokenBudgetConfig, Tract, load_prompt
from tract.errors import (
    BlobNotFoundError,
    ClosedError,
    CompressionError,
    ConfigError,
    ContentValidationError,
    LLMConfigError,
    SessionError,
    TokenizerError,
    TractError,
)

GOOD: dict[str, dict[str, Any]] = {
    "compress": {"content": "short"},
    "delete_branch": {"name": "side"},
    "rename_branch": {"old": "side", "new": "other"},
    "merge": {"source_branch": "side"},
    "rebase": {"target": "side"},
    "cherry_pick": {"revision": "side"},
    "revert": {"revision": "HEAD"},
    "branch": {"name": "new"},
    "reorder": {"messages": ["HEAD"]},
    "tool_result": {"call_id": "c1", "content": "x"},
    "export": {"format": "openai"},
    "collapse": {"child": "nobody", "content": "x"},
    "bisect": {"good": "HEAD~2", "bad": "HEAD", "test": bool},
}


def make() -> Tract:
    t = make_tract("a", "b", "c")
    t.switch("side", create=True)
    t.user("d")
    t.switch("main")
    t.user("e")
    return t


@pytest.mark.parametrize(
    ("name", "argument", "value", "message"),
    [
        ("compress", "auto_commit", 1, "auto_commit must be True or False, not 1"),
        ("compress", "dry_run", "no", "dry_run must be True or False, not 'no'"),
        ("compress", "force", None, "force must be True or False, not None"),
        ("compress", "commits", 5, "commits must be a list, not 5"),
        ("compress", "preserve", 5, "preserve must be a list, not 5"),
        ("compress", "summariser", 5, "summariser must be a function, not 5"),
        ("collapse", "auto_commit", 1, "auto_commit must be True or False, not 1"),
        ("collapse", "force", "yes", "force must be True or False, not 'yes'"),
        ("delete_branch", "force", "no", "force must be True or False, not 'no'"),
        ("rename_branch", "force", [], r"force must be True or False, not \[\]"),
        ("branch", "switch", None, "switch must be True or False, not None"),
        ("merge", "auto_commit", "no", "auto_commit must be True or False, not 'no'"),
        ("merge", "delete_branch", "no", "delete_branch must be True or False, not 'no'"),
        ("rebase", "force", "no", "force must be True or False, not 'no'"),
        ("cherry_pick", "dry_run", None, "dry_run must be True or False, not None"),
        ("revert", "keep", 1, "keep must be True or False, not 1"),
        ("undo", "dry_run", "no", "dry_run must be True or False, not 'no'"),
        ("gc", "dry_run", 0, "dry_run must be True or False, not 0"),
        ("gc", "keep_pinned", [], r"keep_pinned must be True or False, not \[\]"),
        ("reorder", "messages", 5, "messages must be a list, not 5"),
        ("reorder", "strict", "no", "strict must be True or False, not 'no'"),
        ("compile", "strict", "no", "strict must be True or False, not 'no'"),
        ("compile", "policies", None, "policies must be True or False, not None"),
        ("tool_result", "is_error", "no", "is_error must be True or False, not 'no'"),
        ("record", "metadata", 5, "metadata must be a dict, not 5"),
        ("blame", "places", 5, "places must be a slice, not 5"),
        ("messages", "start", None, "start must be a number of messages, not None"),
        ("messages", "count", 1.5, "count must be a number of messages, not 1.5"),
        ("messages", "only", 5, "only must be a list, not 5"),
        ("log", "author", b"x", "author must be a regular expression, not b'x'"),
        ("log", "text", b"x", "text must be a text, not b'x'"),
        ("log", "skip", None, "skip must be a number of commits, not None"),
        ("log", "records", "no", "records must be True or False, not 'no'"),
        ("records", "kind", 5, "a kind of record is a text, not 5"),
        ("usage", "by", 5, "by must be a list, not 5"),
        ("bisect", "test", 5, "test must be a function, not 5"),
        ("export", "path", "\ud800", r"path must be a path, not '\\ud800'"),
        ("export", "path", 5, "path must be a path, not 5"),
        ("export", "format", [], r"unknown format \[\]"),
        ("import_transcript", "path", None, "path must be a path, not None"),
        ("import_transcript", "path", "a\0b", "path must be a path"),
        ("register_content_type", "name", [], r"\[\] is not a name for a content type"),
    ],
)
def test_an_argument_of_another_kind_is_refused_by_its_name(
    name: str, argument: str, value: object, message: str
) -> None:
    t = make()
    given = {"record": {"messages": []}, "register_content_type": {"cls": int}}.get(name, GOOD.get(name, {}))
    before = list(t.repository.refs.history())

    with pytest.raises(ContentValidationError, match=message):
        getattr(t, name)(**{**given, argument: value})

    assert before == list(t.repository.refs.history())


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda t: t.drop_partial(5), ContentValidationError, "a partial answer is a PartialAnswer, not 5"),
        (lambda t: t.commit_partial(None), ContentValidationError, "a partial answer is a PartialAnswer, not None"),
        (lambda t: t.save_compression("x"), CompressionError, "is a PendingCompression, not 'x'"),
        (lambda t: t.get_blob(5), BlobNotFoundError, "object 5 not found: an id is a text"),
    ],
)
def test_what_is_no_value_of_tracts_is_refused(
    act: Callable[[Any], object], error: type[TractError], message: str
) -> None:
    with pytest.raises(error, match=message):
        act(make())


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda s: s.get_tract([]), SessionError, r"\[\] is not a tract name: it is not a text"),
        (lambda s: s.release_tract({}), SessionError, "is not open"),
        (lambda s: s.delete_tract([]), SessionError, r"\[\] is not a tract name: it is not a text"),
        (lambda s: s.rename_tract([], "b"), SessionError, r"\[\] is not a tract name: it is not a text"),
        (lambda s: s.list_tracts(counts="no"), ContentValidationError, "counts must be True or False, not 'no'"),
        (lambda s: s.search("x", role=5), ContentValidationError, "role must be a text, not 5"),
        (lambda s: s.search("x", tool=[]), ContentValidationError, r"tool must be a text, not \[\]"),
        (lambda s: s.search("x", regex="no"), ContentValidationError, "regex must be True or False, not 'no'"),
    ],
)
def test_a_session_refuses_what_names_no_tract(
    act: Callable[[Any], object], error: type[TractError], message: str
) -> None:
    with Session.open(":memory:") as session, pytest.raises(error, match=message):
        act(session)


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda _: TiktokenCounter([]), TokenizerError, "no tiktoken encoding named"),
        (lambda _: TokenBudgetConfig(5, BudgetAction.CALLBACK, 5), ConfigError, "must be a function, not 5"),
        (lambda _: load_prompt(5), LLMConfigError, "no prompt can be named 5"),
        (lambda path: Tract.clone(f"file://{path}", "\ud800"), ContentValidationError, "path must be a path"),
        (lambda path: Tract.clone(f"file://{path}", None), ContentValidationError, "path must be a path, not None"),
    ],
)
def test_what_needs_no_store_says_what_it_was_given(
    act: Callable[[Any], object], error: type[TractError], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        act(tmp_path)


@pytest.mark.parametrize("name", ["create", "read_only", "verify_cache", "fresh"])
def test_opening_takes_no_text_for_true(name: str, tmp_path: Path) -> None:
    wrong: dict[str, Any] = {name: "no"}

    with pytest.raises(ContentValidationError, match=f"{name} must be True or False, not 'no'"):
        Tract.open(tmp_path, **wrong)

    assert list(tmp_path.iterdir()) == []


def test_positional_arguments_are_looked_at_too() -> None:
    wrong: Any = 5

    with pytest.raises(ContentValidationError, match="places must be a slice"):
        make().blame("HEAD", wrong)


@pytest.mark.parametrize("name", ["user", "assistant", "system", "commit", "edit"])
def test_a_keyword_that_there_is_not_is_told_of_the_call(name: str) -> None:
    given = ("HEAD", "x") if name == "edit" else ("x",) if name != "commit" else ({"role": "user", "content": "x"},)

    with pytest.raises(TypeError, match=r"commit\(\) got an unexpected keyword argument 'nope'"):
        getattr(make(), name)(*given, nope=1)


def test_a_closed_handle_and_a_closed_session_are_not_entered(tmp_path: Path) -> None:
    t, session = Tract.open(":memory:"), Session.open(tmp_path)
    t.close()
    session.close()

    with pytest.raises(ClosedError), t:
        pass
    with pytest.raises(SessionError, match="was closed"), session:
        pass


def test_a_name_of_any_length_is_told_by_its_beginning_and_end() -> None:
    name = "x" * 70_000 + " end"

    with pytest.raises(TractError) as caught:
        make().branch(name)

    assert len(str(caught.value)) <= 1001
    assert str(caught.value).startswith("'xxx")
    assert str(caught.value).endswith("it has ' '")
    assert name in caught.value.args[0]
