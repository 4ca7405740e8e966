"""Merges through the API: what lands at once, what waits for review, and what a review may change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.making import texts
from tract import (
    BudgetAction,
    CommitInfo,
    CommitOperation,
    DialogueContent,
    EstimateTokenCounter,
    MergeResult,
    MessageContent,
    Priority,
    TokenBudgetConfig,
    ToolIOContent,
    Tract,
    TractConfig,
)
from tract.errors import (
    BudgetExceededError,
    ContentValidationError,
    DetachedHeadError,
    LLMConfigError,
    LLMRateLimitError,
    LLMResponseError,
    MergeConflictError,
    MergeError,
    NothingToMergeError,
    RefMovedError,
    TractError,
)
from tract.llm.types import Resolution, ResolveRequest


def make_tract(path: Path | str = ":memory:", **options: Any) -> tuple[Tract, CommitInfo]:
    """A tract whose main and draft both edited the first message and appended one; HEAD is on main."""
    t = Tract.open(path, **options)
    first = t.user("a")
    t.assistant("b")
    t.branch("draft", switch=True)
    t.edit(first.commit_hash, "a draft")
    t.user("d1")
    t.switch("main")
    t.edit(first.commit_hash, "a main")
    t.user("m1")
    return t, first


def tips(t: Tract) -> dict[str, str | None]:
    return {info.name: info.commit_hash for info in t.list_branches()}


BEFORE = ["a main", "b", "m1"]
AFTER = ["b", "m1", "d1"]


def test_a_merge_without_conflicts_is_done_at_once_and_adds_no_message() -> None:
    t = Tract.open(":memory:")
    first = t.user("a")
    t.branch("draft", switch=True)
    t.edit(first.commit_hash, "a2")
    t.user("d1")
    t.switch("main")
    t.user("m1")

    result = t.merge("draft", message="why")

    assert ["a2", "m1", "d1"] == texts(t)
    assert ("merge", True, t.head) == (result.kind, result.is_committed, result.merge_commit_hash)
    info = t.log(1)[0]
    assert ("why", CommitOperation.MERGE, None) == (info.message, info.operation, info.metadata)
    assert (result.target_hash, result.source_hash) == info.parent_hashes


def test_a_branch_that_is_behind_moves_forward() -> None:
    t = Tract.open(":memory:")
    t.user("a")
    t.branch("draft", switch=True)
    tip = t.user("b")
    t.switch("main")

    result = t.merge("draft", delete_branch=True)

    assert ("fast-forward", True, None) == (result.kind, result.is_committed, result.merge_commit_hash)
    assert {"main": tip.commit_hash} == tips(t)
    assert "MergeResult(fast-forward of 'draft' into 'main', at " in repr(result)


def test_a_conflict_moves_nothing_and_is_a_value() -> None:
    t, first = make_tract()
    before = tips(t)

    result = t.merge("draft")

    assert (before, BEFORE) == (tips(t), texts(t))
    assert ("conflict", False, None) == (result.kind, result.is_committed, result.merge_commit_hash)
    (conflict,) = result.conflicts
    assert ("both-edited", first.commit_hash, "user", 1) == (
        conflict.kind,
        conflict.commit_hash,
        conflict.role,
        conflict.number,
    )
    assert ("a", "a main", "a draft") == (conflict.base, conflict.ours, conflict.theirs)
    assert (DialogueContent("user", "a draft"),) == conflict.theirs_contents
    with pytest.raises(MergeConflictError, match="1 unresolved conflict"):
        t.commit_merge(result)
    assert before == tips(t)
    assert "MergeResult(conflict of 'draft' into 'main', 1 conflict of which 1 open, not committed)" == repr(result)


@pytest.mark.parametrize(("strategy", "text"), [("ours", "a main"), ("theirs", "a draft")])
def test_a_side_can_be_given_the_conflicts_and_the_rest_is_merged(strategy: Any, text: str) -> None:
    t, first = make_tract()

    result = t.merge("draft", strategy=strategy)

    assert [text, *AFTER] == texts(t)
    assert result.is_committed
    by = {"message": first.commit_hash, "kind": "both-edited", "taken": strategy, "by": "strategy"}
    assert {"conflicts": [by]} == t.log(1)[0].metadata


def test_a_resolution_becomes_the_messages_content_and_keeps_everything_else_of_it() -> None:
    t, first = make_tract()
    result = t.merge("draft")

    reviewed = result.edit_resolution(first.commit_hash[:8], "a of both")
    done = t.commit_merge(reviewed)

    assert ["a of both", *AFTER] == texts(t)
    assert (0, 1) == (len(result.resolutions), len(reviewed.resolutions))
    assert DialogueContent("user", "a of both") == reviewed.resolutions[0].content
    assert ("merge", done.merge_commit_hash) == (done.kind, t.head)
    assert "Merge branch 'draft' into main" == done.message == t.log(1)[0].message
    with pytest.raises(MergeError, match="committed already"):
        t.commit_merge(done)


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (DialogueContent("system", "whole"), {"role": "system", "content": "whole"}),
        ({"role": "user", "content": "raw", "name": "x"}, {"role": "user", "content": "raw", "name": "x"}),
    ],
)
def test_a_resolution_may_be_a_whole_content(content: Any, sent: Any) -> None:
    t, first = make_tract()

    t.commit_merge(t.merge("draft").edit_resolution(first.commit_hash, content))

    assert sent == t.compile().to_openai()[0]


@pytest.mark.parametrize(("side", "expected"), [("ours", "a main"), ("theirs", "a draft"), ("both", "a main")])
def test_a_side_can_be_taken_in_a_review(side: Any, expected: str) -> None:
    t, _ = make_tract()
    result = t.merge("draft")

    t.commit_merge(result.take(result.conflicts[0], side))

    assert [expected, *AFTER] == texts(t)


def test_what_cannot_be_a_resolution_is_refused_and_the_result_stays_as_it_was() -> None:
    t, first = make_tract()
    result = t.merge("draft")

    for act, error in (
        (lambda: result.edit_resolution("ffff", "x"), MergeError),
        (lambda: result.edit_resolution("", "x"), MergeError),
        (lambda: result.edit_resolution(first.commit_hash, {"no": "role"}), ContentValidationError),
        (lambda: result.edit_resolution(first.commit_hash, 5), ContentValidationError),
        (lambda: result.take(first.commit_hash, "mine"), MergeError),  # type: ignore[arg-type]
        (lambda: t.commit_merge("draft"), MergeError),  # type: ignore[arg-type]
        (lambda: t.merge("draft", strategy="best"), MergeError),  # type: ignore[arg-type]
        (lambda: t.merge("draft", resolver="me"), LLMConfigError),  # type: ignore[arg-type]
        (lambda: t.merge("draft", message=5), ContentValidationError),  # type: ignore[arg-type]
        (lambda: t.merge("HEAD~1"), NothingToMergeError),
        (lambda: t.merge("main"), NothingToMergeError),
        (lambda: t.merge(result.source_hash, delete_branch=True), MergeError),
        (lambda: t.merge("draft", strategy="semantic"), LLMConfigError),
    ):
        with pytest.raises(error):
            act()
    assert ((), BEFORE) == (result.resolutions, texts(t))


def test_a_detached_head_and_a_batch_cannot_merge() -> None:
    t, _ = make_tract()
    with pytest.raises(TractError, match="cannot merge inside a batch"), t.batch():
        t.merge("draft")
    t.checkout(t.head or "")
    with pytest.raises(DetachedHeadError):
        t.merge("draft")


def test_a_reviewed_merge_is_refused_once_a_branch_moved() -> None:
    t, first = make_tract()
    result = t.merge("draft").edit_resolution(first.commit_hash, "x")
    t.user("m2")

    with pytest.raises(RefMovedError):
        t.commit_merge(result)
    assert [*BEFORE, "m2"] == texts(t)


def test_a_branch_that_another_process_moved_is_not_merged_into_unseen(tmp_path: Path) -> None:
    t, _ = make_tract(tmp_path)
    with Tract.open(tmp_path) as other:
        other.user("unseen")

    with pytest.raises(RefMovedError):
        t.merge("draft", strategy="ours")
    t.close()
    with Tract.open(tmp_path) as t:
        assert t.merge("draft", strategy="ours").is_committed


def test_a_skipped_message_that_was_edited_on_a_branch_is_a_conflict_and_stays_hidden() -> None:
    t = Tract.open(":memory:")
    first = t.user("a")
    t.branch("draft", switch=True)
    t.edit(first.commit_hash, "a2")
    t.switch("main")
    t.user("m1")
    t.annotate(first.commit_hash, Priority.SKIP)

    result = t.merge("draft")
    assert ["edited-and-skipped"] == [one.kind for one in result.conflicts]
    t.commit_merge(result.edit_resolution(first.commit_hash, "a3"))

    assert ["m1"] == texts(t)
    t.annotate(first.commit_hash, Priority.NORMAL)
    assert ["a3", "m1"] == texts(t)


def test_a_message_with_tool_calls_is_decided_as_json() -> None:
    t = Tract.open(":memory:")
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    first = t.commit({"role": "assistant", "content": "x", "tool_calls": [call]})
    t.tool_result("c1", "done")
    t.branch("draft", switch=True)
    t.edit(first.commit_hash, {"role": "assistant", "content": "draft", "tool_calls": [call]})
    t.switch("main")
    t.edit(first.commit_hash, {"role": "assistant", "content": "main", "tool_calls": [call]})
    result = t.merge("draft")
    assert "json" == result.conflicts[0].format

    with pytest.raises(MergeError, match="not JSON"):
        t.merge("draft", resolver=lambda _: "just a text")
    answer = (result.conflicts[0].ours or "").replace("main", "both")
    resolved = t.merge("draft", resolver=lambda _: answer, auto_commit=True)

    assert isinstance(resolved.resolutions[0].content, MessageContent)
    assert ["both", "done"] == texts(t, strict=True)


def test_a_merge_over_the_budget_is_refused_and_a_resolution_that_fits_is_not() -> None:
    budget = TokenBudgetConfig(30, BudgetAction.REJECT)
    t, first = make_tract(config=TractConfig(token_budget=budget), tokenizer=EstimateTokenCounter())
    result = t.merge("draft")
    before = t.status().token_count

    with pytest.raises(BudgetExceededError) as refused:
        t.commit_merge(result.edit_resolution(first.commit_hash, "words " * 100))
    assert before == refused.value.current
    assert BEFORE == texts(t)
    t.commit_merge(result.edit_resolution(first.commit_hash, "a"))
    assert ["a", *AFTER] == texts(t)
    assert before < t.status().token_count <= 30


def test_moving_forward_over_the_budget_is_refused_and_what_is_skipped_counts_nothing(tmp_path: Path) -> None:
    with Tract.open(tmp_path, tokenizer=EstimateTokenCounter()) as t:
        t.user("a")
        t.branch("draft", switch=True)
        long = t.user("words " * 100)
        t.switch("main")
    config = TractConfig(token_budget=TokenBudgetConfig(30, BudgetAction.REJECT))

    with Tract.open(tmp_path, config=config, tokenizer=EstimateTokenCounter()) as t:
        with pytest.raises(BudgetExceededError):
            t.merge("draft")
        assert ["a"] == texts(t)
        t.annotate(long.commit_hash, Priority.SKIP)
        assert "fast-forward" == t.merge("draft").kind


# Resolvers


def test_a_resolver_is_shown_both_sides_and_its_text_waits_for_review() -> None:
    t, first = make_tract()
    asked: list[ResolveRequest] = []

    def resolve(request: ResolveRequest) -> str:
        asked.append(request)
        return "resolved"

    result = t.merge("draft", resolver=resolve)

    assert BEFORE == texts(t)
    (request,) = asked
    assert ("both-edited", first.commit_hash, "main", "draft") == (
        request.kind,
        request.target,
        request.ours_name,
        request.theirs_name,
    )
    assert {"role": "user", "content": "a main"} == request.ours
    assert {"role": "user", "content": "a draft"} == request.theirs
    assert {"role": "user", "content": "a"} == request.base
    assert ["b", "m1", "d1"] == [message["content"] for message in request.after]
    assert ("merge", "resolver", False) == (result.kind, result.resolutions[0].resolved_by, result.is_committed)
    t.commit_merge(result.edit_resolution(first.commit_hash, "reviewed"))
    assert ["reviewed", *AFTER] == texts(t)


def test_what_a_model_decided_is_recorded_on_the_commit() -> None:
    t, first = make_tract()
    said = Resolution(
        "resolved",
        "by a model",
        "both agree",
        {"model": "m", "temperature": 0},
        {"total_tokens": 9},
        "merge-conflict@1",
    )

    t.merge("draft", resolver=lambda _: said, auto_commit=True)

    info = t.log(1)[0]
    assert ["by a model", *AFTER] == texts(t)
    assert {"model": "m", "temperature": 0} == info.generation_config
    assert {
        "conflicts": [
            {
                "message": first.commit_hash,
                "kind": "both-edited",
                "taken": "content",
                "by": "resolver",
                "reasoning": "both agree",
            }
        ],
        "resolved_by": {
            "model": "m",
            "prompt": "merge-conflict",
            "prompt_version": "1",
            "usage": {"total_tokens": 9},
        },
    } == info.metadata
    assert [info.commit_hash] == [one.commit_hash for one in t.query_by_config("model", "=", "m")]


def boom(_: ResolveRequest) -> str:
    raise ZeroDivisionError("boom")


def lie(_: ResolveRequest) -> Resolution:
    return Resolution("maybe", "x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("resolver", "words"),
    [
        (boom, "the resolver failed on message .* ZeroDivisionError: boom"),
        (lie, "action is 'resolved' or 'abort', not 'maybe'"),
        (lambda _: 5, "must answer with a Resolution or a text, not int"),
        (lambda _: "  ", "is empty"),
        (lambda _: "\ud800 or so", r"cannot be the message: .*: '\\ud800 or so'"),
        (lambda _: Resolution("abort", reasoning="too hard"), "gave up on message .*: too hard"),
        (lambda _: Resolution("resolved", "x", generation_config={"api_key": "k"}), "cannot be kept"),
    ],
)
def test_a_resolver_that_fails_lies_or_gives_up_leaves_everything_as_it_was(resolver: Any, words: str) -> None:
    t, _ = make_tract()
    before = tips(t)

    with pytest.raises(MergeError, match=words):
        t.merge("draft", resolver=resolver, auto_commit=True)

    assert (before, BEFORE) == (tips(t), texts(t))


@pytest.mark.parametrize("error", [LLMRateLimitError("wait", 3.0), LLMResponseError("gone", status=500)])
def test_what_keeps_a_model_from_answering_is_the_callers_to_see(error: Exception) -> None:
    t, _ = make_tract()

    def resolve(_: ResolveRequest) -> str:
        raise error

    with pytest.raises(type(error)):
        t.merge("draft", resolver=resolve)
    assert BEFORE == texts(t)


def test_a_resolver_that_has_no_opinion_leaves_the_conflict_open() -> None:
    t, _ = make_tract()

    result = t.merge("draft", resolver=lambda _: None, auto_commit=True)

    assert ("conflict", False) == (result.kind, result.is_committed)


def test_a_resolver_may_use_the_tract_it_resolves_for() -> None:
    t, _ = make_tract()

    t.merge("draft", resolver=lambda _: f"{len(t.compile())} messages", auto_commit=True)

    assert ["3 messages", *AFTER] == texts(t)


# What overlaps


def make_findings() -> Tract:
    """A tract whose branches found out the same, each in a question and an answer of its own."""
    t = Tract.open(":memory:")
    t.user("plan")
    t.branch("market")
    t.user("who are they?")
    t.assistant("A and B")
    t.switch("market")
    t.user("how large?")
    t.assistant("A has 40 %")
    t.switch("main")
    return t


def only_overlaps(answer: str | None) -> Callable[[ResolveRequest], str | None]:
    def resolve(request: ResolveRequest) -> str | None:
        assert "overlapping" == request.kind
        assert {"role": "assistant", "content": "--- 1 user\nwho are they?\n\n--- 2 assistant\nA and B"} == request.ours
        assert request.base is None
        return answer

    return resolve


def test_what_both_sides_appended_is_shown_to_a_semantic_merge_and_one_text_may_take_its_place() -> None:
    t = make_findings()

    result = t.merge("market", strategy="semantic", resolver=only_overlaps("A (40 %) and B"))

    assert ("merge", False) == (result.kind, result.is_committed)
    t.commit_merge(result)
    assert [("user", "plan"), ("assistant", "A (40 %) and B")] == [
        (message["role"], message["content"]) for message in t.compile().to_openai()
    ]


def test_what_overlaps_stays_as_both_sides_have_it_unless_somebody_says_otherwise() -> None:
    t = make_findings()

    result = t.merge("market", strategy="semantic", resolver=only_overlaps(None))

    assert result.is_committed
    assert ["plan", "who are they?", "A and B", "how large?", "A has 40 %"] == texts(t)


def test_pinned_and_skipped_messages_are_not_part_of_what_overlaps() -> None:
    t = make_findings()
    pinned, skipped = t.user("never lose this"), t.user("noise")
    t.annotate(pinned.commit_hash, Priority.PINNED)
    t.annotate(skipped.commit_hash, Priority.SKIP)

    t.merge("market", strategy="semantic", resolver=only_overlaps("one"), auto_commit=True)

    assert ["plan", "one", "never lose this"] == texts(t)


def test_without_a_plain_text_nothing_overlaps() -> None:
    t = Tract.open(":memory:")
    t.user("a")
    t.branch("draft")
    t.commit(ToolIOContent("f", "call", {}, call_id="1"))
    t.switch("draft")
    t.commit(ToolIOContent("g", "call", {}, call_id="2"))
    t.switch("main")

    assert () == t.merge("draft", strategy="semantic", resolver=only_overlaps("x")).conflicts


def test_a_result_can_be_looked_at_after_the_tract_is_closed(tmp_path: Path) -> None:
    t, first = make_tract(tmp_path)
    result: MergeResult = t.merge("draft")
    t.close()

    assert "a draft" == result.conflict(first.commit_hash).theirs
    assert result.edit_resolution(result.conflicts[0], "x").unresolved == ()
