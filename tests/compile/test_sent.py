"""What was sent: recorded with the answer, and rebuilt byte for byte."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from tests.making import make_tract, texts
from tract import ContentValidationError, HistoryCutError, Priority, Tract
from tract.history.notes import REQUEST, note_tip, noted_entries
from tract.maintenance.fsck.check import check_repository

TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {"b": {}, "a": {}}}}}]  # fmt: skip


def body_of(t: Tract, **settings: Any) -> dict[str, Any]:
    """A request as an agent sends it now."""
    return {"model": "m", "messages": t.compile().to_openai(), "tools": TOOLS, "temperature": 0.2, **settings}


def bytes_of(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def answer(t: Tract, text: str, body: dict[str, Any], **others: Any) -> str:
    """Commit an answer to *body*, with all that is known of the request."""
    request = {**body, "provider": "openai", "body_hash": blake3(bytes_of(body)).hexdigest()}
    return t.assistant(text, request=request, **others).commit_hash


def test_the_body_that_was_sent_is_rebuilt_byte_for_byte():
    t = make_tract("one")
    sent = body_of(t)
    id = answer(t, "two", sent)
    t.user("three")

    rebuilt = t.sent(id).request("openai")

    assert bytes_of(sent) == bytes_of(rebuilt)
    assert t.verify_sent(id)


def test_the_messages_may_be_left_out_of_the_request():
    t = make_tract("one")
    sent = body_of(t)
    request = {**{k: v for k, v in sent.items() if k != "messages"}, "body_hash": blake3(bytes_of(sent)).hexdigest()}
    id = t.assistant("two", request=request).commit_hash
    other = t.assistant("or two", request=request).commit_hash  # the second of two answers to one request
    assert t.verify_sent(id)
    assert t.verify_sent(other)
    assert sent["messages"] == t.sent(other).request("openai")["messages"]


def test_a_context_of_another_branch_is_not_what_was_sent():
    t = make_tract("one")
    t.branch("side")
    t.user("two")
    t.compile()
    t.switch("side")
    id = t.assistant("an answer", request={"model": "m"}).commit_hash
    assert ["one"] == texts(t.sent(id))


def test_another_body_is_told_apart():
    t = make_tract("one")
    sent = body_of(t)
    request = {**sent, "temperature": 0.3, "body_hash": blake3(bytes_of(sent)).hexdigest()}
    assert not t.verify_sent(t.assistant("two", request=request).commit_hash)


def test_what_was_hidden_then_is_hidden_in_what_was_sent():
    t = make_tract("one", "two", "three")
    t.annotate("HEAD~1", Priority.SKIP)
    id = answer(t, "four", body_of(t))
    t.annotate("HEAD~2", Priority.NORMAL)
    t.annotate("HEAD~3", Priority.SKIP)
    assert ["one", "three"] == texts(t.sent(id))
    assert t.verify_sent(id)


def test_a_skip_while_the_model_answered_is_not_in_what_it_was_sent(tmp_path):
    t = make_tract("one", "two", path=tmp_path)
    sent = body_of(t)
    with make_tract(path=tmp_path) as sidecar:
        sidecar.annotate("HEAD", Priority.SKIP)
    id = answer(t, "three", sent)
    assert ["one", "two"] == texts(t.sent(id)) or not t.verify_sent(id)


def test_two_hundred_requests_are_rebuilt_after_a_gc_and_in_a_copy_of_the_store(tmp_path):
    ids = []
    with make_tract(path=tmp_path / "store") as t:
        for turn in range(200):
            t.user(f"question {turn}")
            if turn % 50 == 9:
                t.annotate("HEAD~4", Priority.SKIP)
            ids.append(answer(t, f"answer {turn}", body_of(t, seed=turn // 100)))
        t.gc(orphan_retention_days=0, archive_retention_days=0)
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    with make_tract(path=tmp_path / "copy") as copy:
        assert 200 == sum(map(copy.verify_sent, ids))


def test_settings_that_stay_are_kept_once(tmp_path):
    big = {"description": random.Random(1).randbytes(20_000).hex()}
    with make_tract("hi", path=tmp_path) as t:
        answer(t, "first", body_of(t, metadata=big))
        before = t.repository.objects.stats().size
        for at in range(20):
            answer(t, f"more {at}", body_of(t, metadata=big))
        assert t.repository.objects.stats().size - before < 100_000


def test_what_was_sent_inside_a_batch_that_lands_elsewhere_is_kept(tmp_path):
    with make_tract("one", path=tmp_path, on_moved="append") as t, make_tract(path=tmp_path) as other:
        with t.batch() as batch:
            t.user("two")
            answer(t, "three", body_of(t))
            other.user("between")
        t.gc(orphan_retention_days=0, archive_retention_days=0)
    with make_tract(path=tmp_path) as t:
        assert ["one", "between", "two", "three"] == texts(t)
        assert ["one", "two"] == texts(t.sent(batch.commits[-1]))
        assert t.verify_sent(batch.commits[-1])
    assert () == tuple(check_repository(str(tmp_path / ".tract")).problems)


def test_what_gc_took_of_what_was_sent_is_said(tmp_path):
    with make_tract("one", "two", path=tmp_path) as t:
        answer(t, "three", body_of(t))
        t.compress(keep_recent=1, content="one and two", force=True)
        t.gc(orphan_retention_days=0, archive_retention_days=0)
    with make_tract(path=tmp_path) as t:
        id = t.compile().commit_hashes[-1]
        with pytest.raises(
            HistoryCutError, match=r"the context that the model received for '.*' is not kept: history behind"
        ):
            t.sent(id)


def test_what_is_hidden_is_kept_in_proportion_to_what_changed(tmp_path):
    with make_tract(path=tmp_path) as t:
        ids, hidden, sizes = [], [], []
        for turn in range(240):
            said = t.user(f"question {turn}").commit_hash
            t.annotate(said, Priority.SKIP)
            hidden.append(said)
            if turn % 9 == 8:
                t.annotate(hidden.pop(0), Priority.NORMAL)
            ids.append(answer(t, f"answer {turn}", {"model": "m", "messages": t.compile().to_openai()}))
            if turn % 80 == 79:
                sizes.append(sum(len(note) for note in notes_of_requests(t)))
        t.compress(keep_recent=10, content="what was said", force=True)
        t.gc(orphan_retention_days=0, archive_retention_days=0)

        assert sizes[2] - sizes[1] < 1.3 * (sizes[1] - sizes[0])
        assert all(t.verify_sent(id) for id in ids[::20] if id in {one.commit_hash for one in t.log(20)})


def notes_of_requests(t: Tract) -> list[bytes]:
    repo = t.repository
    return [repo.objects.read(blob).payload for _, blob in noted_entries(repo, note_tip(repo, REQUEST))]


def test_what_was_hidden_is_known_of_every_request():
    t = make_tract("a", "b", "c", "d")
    places = ["HEAD~3", "HEAD~2", "HEAD~1", "HEAD"]
    commits = [t.get_commit(one).commit_hash for one in places]
    rng = random.Random(3)
    sent = {}
    for at in range(60):
        if at % 3:
            t.annotate(rng.choice(commits), rng.choice([Priority.SKIP, Priority.NORMAL]))
        shown = texts(t)
        sent[t.assistant(f"answer {at}", request={"model": "m", "n": at // 20}).commit_hash] = shown
    assert sent == {id: texts(t.sent(id)) for id in sent}


def test_anthropic_and_gemini_bodies_are_rebuilt():
    t = make_tract()
    t.system("be brief")
    t.user("hi")
    anthropic = {"model": "m", "max_tokens": 9, **t.compile().to_anthropic()}
    request = {**anthropic, "provider": "anthropic", "body_hash": blake3(bytes_of(anthropic)).hexdigest()}
    id = t.assistant("hello", request=request).commit_hash
    assert anthropic == t.sent(id).request("anthropic")
    assert t.verify_sent(id)


def test_a_request_is_in_no_commits_id():
    clock = "2026-03-01T10:00:00+00:00"
    one, other = make_tract(), make_tract()
    assert one.user("a", timestamp=clock).commit_hash == other.user("a", timestamp=clock, request={"model": "m"}).commit_hash  # fmt: skip


@pytest.mark.parametrize(
    "request_", ["text", {"body_hash": "xyz"}, {"provider": 7}, {"api_key": "sk-" + "x" * 30}, {1: 2}]
)
def test_a_request_that_cannot_be_kept_is_refused(request_: Any):
    t = make_tract("hi")
    with pytest.raises(ContentValidationError, match="request"):
        t.assistant("no", request=request_)
    assert ["hi"] == texts(t)


def test_an_answer_without_a_recorded_request_says_so():
    t = make_tract("hi")
    t.assistant("ho")
    with pytest.raises(ContentValidationError, match="no request was recorded with the answer 'HEAD'"):
        t.verify_sent("HEAD")
    with pytest.raises(ContentValidationError, match="no request was recorded"):
        t.sent("HEAD").request("openai")
    t.assistant("hm", request={"model": "m"})
    with pytest.raises(ContentValidationError, match="no hash of the request's bytes was recorded with the answer"):
        t.verify_sent("HEAD")


def test_the_command_line_says_whether_a_request_is_the_one_that_was_sent(tmp_path: Path, capsys):
    from tract.cli.main import main

    with make_tract("hi", path=tmp_path) as t:
        answer(t, "ho", body_of(t))
        sent = body_of(t)
        t.assistant("no", request={**sent, "model": "other", "body_hash": blake3(bytes_of(sent)).hexdigest()})
    assert 0 == main(["-C", str(tmp_path), "verify", "--sent", "HEAD~1"])
    assert 1 == main(["-C", str(tmp_path), "verify", "--sent", "HEAD", "--json"])
    assert '"is_same": false' in capsys.readouterr().out


@pytest.mark.parametrize("options", [{"cache": "auto"}, {"extras": "drop"}, {"cache": "auto", "extras": "drop"}])
@pytest.mark.parametrize("format", ["openai", "anthropic"])
def test_the_options_of_rendering_are_found_by_the_hash(format, options):
    t = make_tract("one")
    t.commit({"role": "assistant", "content": "so", "reasoning_content": "hm"})
    t.user("two")
    context = t.compile()
    rendered = {"messages": context.to_openai(**options)} if format == "openai" else context.to_anthropic(**options)
    body = {"model": "m", **rendered, "temperature": 0}
    request = {**body, "provider": format, "body_hash": blake3(bytes_of(body)).hexdigest()}
    id = t.assistant("three", request=request).commit_hash

    assert body == t.sent(id).request(format)
    assert t.verify_sent(id)


def test_an_option_that_there_is_not_is_refused():
    with pytest.raises(TypeError, match=r"to_openai\(\) got an unexpected keyword argument 'copies'"):
        make_tract("one").compile().to_openai(copies=True)
