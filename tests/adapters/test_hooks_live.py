"""Sessions recorded as they go: by offset, and the same commits as an import of the whole afterwards."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tract import ImportFormatError, Tract
from tract.adapters.hooks.sessions import HookEvent, Recorded, record_session
from tract.adapters.importing import Importer
from tract.adapters.transcripts import read_transcript

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus" / "entireio+cli"
SAMPLE = Path(__file__).parents[2] / "docs" / "samples" / "claude-code.jsonl"

Facts = set[tuple[str, str, str]]


def record(folder: Path, path: Path, name: str = "Stop", format: str = "claude-code") -> Recorded:
    with Tract.open(folder) as t:
        return record_session(t.repository, HookEvent("live", str(path), name), format)


def imported(folder: Path, path: Path, format: str = "claude-code") -> None:
    with Tract.open(folder) as t:
        importer = Importer(t.repository, count=False)
        importer.take(read_transcript(path, format=format).conversations[0], place="tract", name="whole")
        importer.finish()


def facts(folder: Path, tract: str) -> Facts:
    """The commits of all branches, with their usage and their settings."""
    with Tract.open(folder, tract_id=tract) as t:
        return {
            (info.commit_hash, str(info.usage), str(info.generation_config))
            for branch in t.list_branches()
            for info in t.log(limit=None, start=branch.name)
        }


def head(folder: Path, tract: str) -> str | None:
    with Tract.open(folder, tract_id=tract) as t:
        return t.head


def check_same(folder: Path, path: Path, format: str = "claude-code") -> None:
    imported(folder, path, format)
    assert facts(folder, "whole") == facts(folder, "live")
    assert head(folder, "whole") == head(folder, "live")


def children(folder: Path, tract: str) -> dict[str, Any]:
    """The agents: the commit of the call that began each, what for, and what was said."""
    with Tract.open(folder, tract_id=tract) as t:
        links = t.children()
    found = {}
    for link in links:
        with Tract.open(folder, tract_id=link.child_tract_id) as t:
            said = [message.raw for message in t.compile().messages]
        found[link.child_tract_id.removeprefix(tract)] = (link.parent_commit_hash, link.purpose, said)
    return found


def message(number: int, role: str, content: Any, *, after: int | None = -1, **more: Any) -> dict[str, Any]:
    """A record of Claude Code's; it follows record *after*, the one before it where that is not said."""
    after = number - 1 if after == -1 else after
    said: dict[str, Any] = {"role": role, "content": content}
    if role == "assistant":
        said |= {
            "id": more.pop("id", f"msg-{number}"),
            "model": "m",
            "usage": {"input_tokens": number, "output_tokens": 1},
        }
    time = f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}.000Z"
    parent = None if after is None or number == 0 else f"u{after}"
    return {"type": role, "uuid": f"u{number}", "parentUuid": parent, "sessionId": "s", "timestamp": time, "message": said, **more}  # fmt: skip


def talk(count: int, words: str = "word") -> list[dict[str, Any]]:
    """Questions and answers in turn."""
    return [
        message(n, "user", f"question {n} {words}")
        if n % 2 == 0
        else message(n, "assistant", [{"type": "text", "text": f"answer {n} {words}"}])
        for n in range(count)
    ]


def use(number: int, *ids: str, **more: Any) -> dict[str, Any]:
    return message(number, "assistant", [{"type": "tool_use", "id": id, "name": "look", "input": {}} for id in ids], **more)  # fmt: skip


def result(number: int, id: str, **more: Any) -> dict[str, Any]:
    return message(number, "user", [{"type": "tool_result", "tool_use_id": id, "content": f"saw {id}"}], **more)


def write(path: Path, records: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in records))


def grow(folder: Path, path: Path, records: list[dict[str, Any]], cuts: list[int], name: str = "PreCompact") -> list[Recorded]:  # fmt: skip
    """Write *records* up to each of *cuts* and record them, and all of them at the end of a turn."""
    done = []
    for end in [*cuts, len(records)]:
        write(path, records[:end])
        done.append(record(folder, path, "Stop" if end == len(records) else name))
    return done


def test_a_session_is_read_from_where_the_last_reading_ended(tmp_path):
    path = tmp_path / "s.jsonl"
    records = talk(400, "word " * 50)

    done = grow(tmp_path, path, records, list(range(2, 400, 2)), "Stop")

    size = path.stat().st_size
    assert [2] * 200 == [one.messages for one in done]
    assert size / 50 > max(one.read for one in done)
    check_same(tmp_path, path)


def test_nothing_new_is_nothing_to_do(tmp_path):
    path = tmp_path / "s.jsonl"
    write(path, talk(40))
    record(tmp_path, path)
    before = head(tmp_path, "live")

    again = record(tmp_path, path)

    assert (0, before) == (again.messages, head(tmp_path, "live"))
    assert path.stat().st_size / 10 > again.read


@pytest.mark.parametrize("change", ["truncated", "replaced", "rotated", "a mark that is none", "no mark"])
def test_a_transcript_that_is_another_is_read_whole(tmp_path, change):
    path, mark = tmp_path / "s.jsonl", tmp_path / ".tract" / "cache" / "hooks" / "live.json"
    records = talk(40)
    write(path, records)
    record(tmp_path, path)
    records += [message(n, "user", f"more {n}") for n in range(40, 44)]
    if change == "truncated":
        records = [*records[:10], *[message(n, "user", f"other {n}") for n in range(50, 54)]]
        records[10]["parentUuid"] = "u9"
    if change == "replaced":
        records = [{**one, "version": "another"} for one in records]
    if change == "a mark that is none":
        mark.write_text('{"version": 1, "start": -3}')
    if change == "no mark":
        mark.unlink()
    if change == "rotated":
        path.unlink()
        path = tmp_path / "other.jsonl"
    write(path, records)

    done = record(tmp_path, path)

    assert 4 == done.messages
    assert path.stat().st_size == done.read
    with Tract.open(tmp_path, tract_id="live") as t:
        assert [one["message"]["content"] for one in records[-4:]] == [m.raw["content"] for m in t.compile().messages[-4:]]  # fmt: skip


def test_where_the_branch_was_reset_the_whole_line_is_recorded_beside_it(tmp_path):
    path = tmp_path / "s.jsonl"
    write(path, talk(8))
    record(tmp_path, path)
    with Tract.open(tmp_path, tract_id="live") as t:
        t.reset("HEAD~4", mode="hard")
    write(path, talk(10))

    record(tmp_path, path)

    with Tract.open(tmp_path, tract_id="live") as t:
        assert [one["message"]["content"] for one in talk(10)] == [m.raw["content"] for m in t.compile().messages]
        assert 4 == len(t.log(limit=None, start="main"))


def test_half_a_line_is_left_for_the_next_time(tmp_path):
    path = tmp_path / "s.jsonl"
    write(path, talk(10))
    record(tmp_path, path)
    line = json.dumps(message(10, "user", "the whole of it")) + "\n"
    with path.open("a") as file:
        file.write(line[:30])

    half = record(tmp_path, path)
    with path.open("a") as file:
        file.write(line[30:])
    whole = record(tmp_path, path)

    assert (0, 0, 1) == (half.messages, half.problems, whole.messages)
    check_same(tmp_path, path)


def test_half_of_the_first_line_is_no_failure(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_text(json.dumps(talk(1)[0])[:30])

    half = record(tmp_path, path)
    with pytest.raises(ImportFormatError):
        record(tmp_path, path, "SessionEnd")
    write(path, talk(2))
    whole = record(tmp_path, path)

    assert (0, 0, 2) == (half.messages, half.problems, whole.messages)


def test_a_turn_that_was_rewound_is_a_line_of_its_own(tmp_path):
    path = tmp_path / "s.jsonl"
    records = [
        *talk(20),
        message(20, "user", "other", after=7),
        message(21, "assistant", [{"type": "text", "text": "x"}]),
    ]

    done = grow(tmp_path, path, records, [10, 20])

    assert path.stat().st_size == done[-1].read
    check_same(tmp_path, path)


def test_a_step_is_recorded_when_its_tools_are_done(tmp_path):
    path = tmp_path / "s.jsonl"
    step = [use(2, "a", id="step"), use(3, "b", id="step"), result(4, "a", after=2), use(5, "c", id="step", after=3)]
    step += [result(6, "b", after=3), result(7, "c", after=5), message(8, "assistant", [{"type": "text", "text": "y"}])]
    records = [*talk(2), *step]

    for cut in range(1, len(records)):
        folder = tmp_path / str(cut)
        folder.mkdir()
        grow(folder, path, records, [cut])
        check_same(folder, path)


def test_a_compaction_is_recorded_before_and_after(tmp_path):
    path = tmp_path / "s.jsonl"
    about = {"trigger": "auto", "preservedSegment": {"headUuid": "u18", "tailUuid": "u19", "anchorUuid": "u21"}}
    boundary = {"type": "system", "subtype": "compact_boundary", "uuid": "u20", "parentUuid": None, "logicalParentUuid": "u19", "compactMetadata": about}  # fmt: skip
    records = [*talk(20), boundary, message(21, "user", "the summary", isCompactSummary=True)]
    records += [message(n, "user", f"on {n}") for n in range(22, 26)]

    grow(tmp_path, path, records, [20, 22, 24])

    check_same(tmp_path, path)
    with Tract.open(tmp_path, tract_id="live") as t:
        assert 7 == len(t.compile().messages)


def test_what_was_typed_while_the_model_worked_is_recorded_once(tmp_path):
    path = tmp_path / "s.jsonl"

    def queue(operation: str, **more: str) -> dict[str, Any]:
        return {"type": "queue-operation", "operation": operation, "timestamp": "2026-01-01T00:00:50Z", **more}

    records = talk(4)
    for n in range(4, 20, 4):
        words, is_said = ("go on", True) if n % 8 else (f"and {n}", False)  # the model was given it in between, or then
        records += [queue("enqueue", content=words), use(n, f"t{n}"), result(n + 1, f"t{n}")]
        records += [] if is_said else [queue("remove")]
        records += [message(n + 2, "assistant", [{"type": "text", "text": f"a{n}"}])]
        records += [queue("dequeue"), message(n + 3, "user", words)] if is_said else [message(n + 3, "user", f"q{n}")]

    for cut in range(4, len(records)):
        folder = tmp_path / str(cut)
        folder.mkdir()
        grow(folder, path, records, [4, cut])
        check_same(folder, path)


def test_agents_are_recorded_with_their_calls(tmp_path):
    path = tmp_path / "s.jsonl"
    agent = tmp_path / "s" / "subagents" / "agent-a1.jsonl"
    agent.parent.mkdir(parents=True)
    task = {"type": "tool_use", "id": "t", "name": "Task", "input": {"prompt": "look", "description": "a look"}}
    records = [*talk(4), message(4, "user", "start"), message(5, "assistant", [task])]
    of_agent = [{**one, "isSidechain": True, "agentId": "a1"} for one in talk(6)]
    of_agent[0]["message"]["content"] = "look"

    for cut in range(1, 7):
        write(path, records)
        write(agent, of_agent[:cut])
        record(tmp_path, path, "SubagentStop")
    assert {} == children(tmp_path, "live")
    write(path, [*records, result(6, "t", toolUseResult={"agentId": "a1"}), message(7, "user", "done")])
    record(tmp_path, path)
    again = record(tmp_path, path)

    check_same(tmp_path, path)
    assert children(tmp_path, "whole") == children(tmp_path, "live")
    assert 0 == again.messages


def test_a_rollout_of_codex_is_read_from_where_it_ended(tmp_path):
    path = tmp_path / "rollout.jsonl"

    def line(kind: str, number: int, **payload: Any) -> dict[str, Any]:
        return {"timestamp": f"2026-01-01T00:00:{number % 60:02}Z", "type": kind, "payload": payload}

    def said(number: int) -> dict[str, Any]:
        role, kind = ("user", "input_text") if number % 2 == 0 else ("assistant", "output_text")
        return line("response_item", number, type="message", role=role, content=[{"type": kind, "text": f"text {number}"}])  # fmt: skip

    usage = {"input_tokens": 7, "output_tokens": 2}
    records = [line("session_meta", 0, id="r", cwd="/w", instructions="be brief")]
    for n in range(60):
        records += [line("turn_context", n, model=f"m{n // 20}", effort="low")] if n % 10 == 0 else []
        records += [said(n)]
        records += [line("event_msg", n, type="token_count", info={"last_token_usage": usage})] if n % 2 else []

    ends = [at + 1 for at, one in enumerate(records) if one["type"] == "event_msg"]
    done = []
    for end in ends:
        write(path, records[:end])
        done.append(record(tmp_path, path, "Stop", "codex"))

    assert path.stat().st_size / 3 > max(one.read for one in done)
    assert [3, *[2] * 29] == [one.messages for one in done]
    check_same(tmp_path, path, "codex")


def test_a_session_of_geminis_is_read_from_where_it_ended(tmp_path):
    path = tmp_path / "session.jsonl"

    def said(number: int, **more: Any) -> dict[str, Any]:
        kind = "user" if number % 2 == 0 else "gemini"
        return {"id": f"g{number}", "timestamp": f"2026-01-01T00:00:{number:02}Z", "type": kind, "content": f"text {number}", **more}  # fmt: skip

    records: list[dict[str, Any]] = [{"sessionId": "g", "projectHash": "p", "startTime": "x", "lastUpdated": "x"}]
    for n in range(40):
        records += [said(n), {"$set": {"lastUpdated": f"y{n}"}}]
    done = []
    for end in range(5, len(records) + 1, 4):
        write(path, records[:end])
        done.append(record(tmp_path, path, "AfterAgent", "gemini-cli"))

    assert path.stat().st_size / 4 > max(one.read for one in done[1:])
    assert [2] * 20 == [one.messages for one in done]
    check_same(tmp_path, path, "gemini-cli")

    write(path, [*records, {"$rewindTo": "g30"}, said(50), said(51)])
    assert path.stat().st_size == record(tmp_path, path, "AfterAgent", "gemini-cli").read
    with Tract.open(tmp_path, tract_id="live") as t:
        assert "text 51" == t.compile().messages[-1].content


@pytest.mark.parametrize("seed", range(3))
def test_wherever_hooks_fire_the_sample_is_what_an_import_makes_of_it(tmp_path, seed):
    lines = SAMPLE.read_text().splitlines(True)
    check_cuts(tmp_path, SAMPLE, sorted(random.Random(seed).sample(range(1, len(lines)), 5)))


def check_cuts(folder: Path, source: Path, cuts: list[int]) -> None:
    path = folder / "s.jsonl"
    lines = source.read_text(encoding="utf-8").splitlines(True)
    for end in [*cuts, len(lines)]:
        path.write_text("".join(lines[:end]), encoding="utf-8")
        record(folder, path, "SessionEnd" if end == len(lines) else "PreCompact")
    check_same(folder, path)


@pytest.mark.slow
@pytest.mark.parametrize("source", sorted(CORPUS.rglob("full.jsonl")), ids=lambda path: path.parts[-3])
def test_wherever_hooks_fire_a_real_session_is_what_an_import_makes_of_it(tmp_path, source):
    if '"parentUuid"' not in source.read_text(encoding="utf-8"):
        pytest.skip("a session of another program")
    count = len(source.read_text(encoding="utf-8").splitlines())
    check_cuts(tmp_path, source, sorted(random.Random(1).sample(range(1, count), min(12, count - 1))))
