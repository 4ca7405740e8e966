"""Log, status and show, and what they may not load."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import tract
from tests.making import make_tract
from tract import (
    CommitNotFoundError,
    CommitOperation,
    ContentValidationError,
    InstructionContent,
    Priority,
    RecordContent,
    Tract,
    TractConfig,
)
from tract.report.search import search

REPO = Path(__file__).resolve().parents[2]


def modules_after(code: str, *arguments: object) -> set[str]:
    """The top-level modules another process has loaded when it ran *code*."""
    script = textwrap.dedent(code) + "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in json.loads(done.stdout)}


def test_the_log_is_newest_first_and_as_long_as_asked():
    t = make_tract("a", "b", "c")

    assert ["c", "b"] == [t.get_content(info.commit_hash).text for info in t.log(2)]
    assert 3 == len(t.log()) == len(t.log(None))
    assert [] == t.log(0)


def test_the_log_starts_where_asked_and_keeps_the_operations_asked_for():
    t = make_tract("a", "b")
    t.edit("HEAD~1", "A")

    assert ["append", "append"] == [info.operation for info in t.log(start="HEAD~1")]
    assert ["edit"] == [info.operation for info in t.log(op_filter="edit")]
    assert 2 == len(t.log(op_filter=CommitOperation.APPEND, first_parent=True))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"limit": -1}, ContentValidationError),
        ({"limit": "3"}, ContentValidationError),
        ({"op_filter": "undo"}, ContentValidationError),
        ({"start": "nope"}, CommitNotFoundError),
    ],
)
def test_a_log_that_makes_no_sense_is_refused(options, error):
    with pytest.raises(error):
        make_tract("a").log(**options)


def test_a_limit_that_no_machine_counts_to_is_none():
    t = make_tract("a", "b")
    t.commit(RecordContent("k", 1))

    assert t.log() == t.log(10**30)
    assert [] == t.log(skip=10**30)
    assert t.records() == t.records(limit=10**30)
    assert 2 == len(search(t.repository, "", limit=10**30))


def test_an_empty_tract_has_a_status_and_a_log_but_no_commit():
    t = make_tract(config=TractConfig(token_budget=100, default_branch="trunk"))

    status = t.status()

    assert (None, "trunk", False, 0, 0) == (
        status.head_hash,
        status.branch_name,
        status.is_detached,
        status.commit_count,
        status.token_count,
    )
    assert (100, "words", ()) == (status.token_budget_max, status.token_source, status.recent_commits)
    assert [] == t.log()
    assert ([], {"messages": []}) == (t.compile().to_openai(), t.compile().to_anthropic())
    for use in (t.show, lambda: t.get_commit("HEAD"), lambda: t.record_usage({"input_tokens": 1})):
        with pytest.raises(CommitNotFoundError, match="there is no commit yet"):
            use()


def test_the_status_says_what_compile_says():
    t = make_tract("a", "b c", "d")
    t.annotate("HEAD", Priority.SKIP)
    t.edit("HEAD~2", "e f g")

    status, context = t.status(), t.compile()

    assert (context.token_count, context.token_source) == (status.token_count, status.token_source)
    assert (4, 2, 1) == (status.commit_count, status.message_count, status.skipped_count)
    assert tuple(t.log(5)) == status.recent_commits


def test_the_status_counts_no_records(tmp_path):
    with make_tract("a", "b", path=tmp_path) as t:
        for _ in range(3):
            t.commit(RecordContent("state", {}))
        t.user("c")
        t.commit(RecordContent("state", {}))
        assert (3, 3) == (t.status().commit_count, len(t.log(None)))
    with make_tract(path=tmp_path) as t:
        t.commit(RecordContent("state", {}))
        t.user("d")
        assert 4 == t.status().commit_count
        t.reset("HEAD~3")
        assert 3 == t.status().commit_count


def test_a_status_in_a_new_process_reads_no_history_that_was_counted_before(tmp_path):
    with make_tract(*"abcdefgh", path=tmp_path) as t:
        assert 8 == t.status().commit_count
    with make_tract(path=tmp_path) as t:
        t.user("i")
        assert 9 == t.status().commit_count
        assert len(t.repository.decoded.commits) <= 6  # HEAD, what it goes on, and those that are listed


def test_the_status_names_the_calls_that_wait_for_a_result():
    t = make_tract("a")
    tool = {"name": "look", "arguments": "{}"}
    calls = [{"id": id, "type": "function", "function": tool} for id in "xy"]
    called = t.commit({"role": "assistant", "content": None, "tool_calls": calls})

    assert ["x", "y"] == [call.call_id for call in t.status().open_calls]
    t.tool_result("x", "found")
    [waiting] = t.status().open_calls
    assert (called.commit_hash, "y", "look", "{}") == waiting

    t.annotate(called.commit_hash, Priority.SKIP)
    assert () == t.status().open_calls
    t.annotate(called.commit_hash, Priority.NORMAL)
    t.user("never mind")
    assert () == t.status().open_calls


def test_show_gives_a_commit_and_its_content():
    t = make_tract()
    info = t.system("s")

    shown = t.show()

    assert (info, InstructionContent("s")) == (shown.commit, shown.content)


def test_a_tokens_count_that_is_known_needs_no_tokenizer(tmp_path):
    with Tract.open(tmp_path) as t:
        t.user("hello world")
        t.commit({"role": "assistant", "content": "hi"})
        t.compile().token_count  # noqa: B018  # counted now, and kept

    loaded = modules_after(
        """
        import sys, tract
        with tract.Tract.open(sys.argv[1]) as t:
            assert t.status().token_count == 14
            assert [info.token_count for info in t.log()] == [1, 2]
            assert t.show().commit.token_count == 1
        """,
        tmp_path,
    )

    assert not {"tiktoken", "regex", "pydantic", "typer", "rich", "httpx"} & loaded


def test_importing_tract_loads_nothing_heavy():
    loaded = modules_after("import tract")

    assert not {"tiktoken", "typer", "rich", "httpx", "pydantic", "msgpack", "zstandard", "blake3"} & loaded


def test_every_public_name_is_there():
    scope: dict[str, object] = {}

    exec("from tract import *", scope)

    assert set(tract.__all__) <= set(scope)
    assert set(tract.__all__) == set(dir(tract))
    with pytest.raises(AttributeError, match="'nope'"):
        tract.nope  # noqa: B018


@pytest.mark.parametrize(
    "name",
    [
        "Tract",
        "TractConfig",
        "TokenBudgetConfig",
        "BudgetAction",
        "TokenCounter",
        "ContextCompiler",
        "CompiledContext",
        "CommitInfo",
        "StatusInfo",
        "Priority",
        "PriorityAnnotation",
        "TokenUsage",
        "Message",
        "CommitOperation",
        "NullTokenCounter",
        "TiktokenCounter",
        "EstimateTokenCounter",
        "InstructionContent",
        "DialogueContent",
        "ToolIOContent",
        "ReasoningContent",
        "ArtifactContent",
        "OutputContent",
        "FreeformContent",
        "SessionContent",
        "MessageContent",
        "validate_content",
        "TractError",
        "TraceError",
        "CommitNotFoundError",
        "BlobNotFoundError",
        "ContentValidationError",
        "BudgetExceededError",
        "EditTargetError",
        "DetachedHeadError",
        "AmbiguousPrefixError",
        "BranchExistsError",
        "BranchNotFoundError",
        "InvalidBranchNameError",
        "UnmergedBranchError",
        "MergeError",
        "MergeConflictError",
        "NothingToMergeError",
        "RebaseError",
        "CherryPickError",
        "SemanticSafetyError",
        "CompressionError",
        "GCError",
        "SpawnError",
        "SessionError",
        "PolicyExecutionError",
        "PolicyConfigError",
        "OrchestratorError",
        "LLMConfigError",
        "LLMAuthError",
        "LLMRateLimitError",
        "LLMResponseError",
        "ObjectCorruptError",
        "RefMovedError",
        "DurabilityError",
        "LockTimeoutError",
        "UnsafeRepositoryError",
        "FormatVersionError",
    ],
)
def test_the_names_of_the_api_are_exported(name):
    assert name in tract.__all__
    found = getattr(tract, name)
    assert not name.endswith("Error") or issubclass(found, tract.TractError)


def test_what_is_done_to_a_compiled_message_reaches_no_other_compilation():
    with Tract.open(":memory:", verify_cache=True) as t:
        t.commit({"role": "assistant", "content": [{"type": "text", "text": "as it was"}]})
        message = t.compile().messages[0]

        message.content[0]["text"] = "changed"
        message.raw["role"] = "system"

        assert [{"role": "assistant", "content": [{"type": "text", "text": "as it was"}]}] == t.compile().to_openai()
        assert "as it was" == t.compile().messages[0].content[0]["text"]
