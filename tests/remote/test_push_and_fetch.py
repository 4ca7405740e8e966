"""Push, fetch, pull and clone of a tract's branches and notes, over a folder and over memory."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.making import make_tract, texts
from tract import HistoryCutError, Priority, RemoteError, RemoteMovedError, Session, Tract, TractConfig
from tract.cli.console import Console
from tract.cli.main import main
from tract.errors import BranchNotFoundError, ConfigError, SessionError
from tract.maintenance.fsck.check import check_repository
from tract.objects.model import new_blob, new_commit
from tract.refs.store import RefEdit
from tract.remote.finding import tract_names
from tract.remote.remotes import open_link
from tract.remote.verify import verify_remote


def pushed(url: str, *said: str, path: Any = ":memory:") -> Tract:
    t = make_tract(*said, path=path)
    t.add_remote("origin", url)
    t.push()
    return t


def test_a_clone_has_the_context_the_notes_and_the_history(url: str, tmp_path: Path) -> None:
    t = pushed(url, "a", "b")
    t.assistant("c", generation_config={"model": "m"}, usage={"prompt_tokens": 3, "completion_tokens": 4}, key="k")
    t.annotate("HEAD:1", Priority.PINNED, reason="first")
    t.annotate("HEAD:2", Priority.SKIP)
    t.push()

    with Tract.clone(url, tmp_path / "two") as other:
        assert texts(t) == texts(other) == ["a", "c"]
        assert t.head == other.head
        assert [c.commit_hash for c in t.log()] == [c.commit_hash for c in other.log()]
        assert t.log()[0].generation_config == other.log()[0].generation_config == {"model": "m"}
        assert t.log()[0].usage == other.log()[0].usage
        assert [one.commit_hash for one in t.pinned()] == [one.commit_hash for one in other.pinned()]
        assert other.commit_for_key("k") is not None
    assert not check_repository(str(tmp_path / "two" / ".tract")).problems


def test_a_commit_with_a_content_that_its_operation_cannot_bring_is_not_fetched(url: str, tmp_path: Path) -> None:
    t = pushed(url, "a", path=tmp_path / "one")
    t.clone(url, tmp_path / "two").close()
    raw = new_blob(b"raw")
    tip = t.repository.head()[1]
    assert tip is not None
    commit = t.repository.commit(tip)
    bad = new_commit(commit._replace(parents=(tip,), content=raw.id, open=(*commit.open, tip, raw.id), generation=2))
    t.repository.objects.write_many([raw, bad])
    with t.repository.refs.lock():
        t.repository.refs.update([RefEdit("refs/heads/main", bad.id, tip)], reason="by hand")
    t.push()

    with Tract.open(tmp_path / "two") as other:
        with pytest.raises(RemoteError, match="is raw bytes"):
            other.fetch()
        assert tip == other.repository.head()[1]
        assert texts(other) == ["a"]


def test_a_push_takes_two_requests_and_a_poll_one(url: str) -> None:
    t = pushed(url, "a")
    t.assistant("b", generation_config={"model": "m"}, usage={"prompt_tokens": 1, "completion_tokens": 1}, key="x")

    assert 2 == t.push().requests
    assert 1 == t.fetch("origin", "main").requests


def test_a_fetch_moves_no_branch_and_a_pull_moves_it_forward(url: str, tmp_path: Path) -> None:
    t = pushed(url, "a")
    with Tract.clone(url, tmp_path / "two") as other:
        other.user("b")
        other.push()
        found = t.fetch()

        assert [("refs/remotes/origin/main", "updated")] == [(ref.ref, ref.status) for ref in found.refs]
        assert ["a"] == texts(t)
        assert other.head == t.get_commit("origin/main").commit_hash
        assert "fast-forward" == t.pull().kind
        assert ["a", "b"] == texts(t)
        assert "up to date" == t.pull().kind


def test_an_address_may_be_a_path(tmp_path: Path) -> None:
    place = tmp_path / "far"
    t = Tract.open(":memory:")
    t.user("a")
    t.add_remote("origin", place)
    t.push()

    for other in (Tract.clone(place, tmp_path / "two"), Tract.open(tmp_path / "three", remote=place, sync="commit")):
        assert ["a"] == texts(other)
        assert [f"file://{place}"] == [remote.url for remote in other.remotes()]
        other.close()
    for wrong in (5, None, b"x"):
        with pytest.raises(ConfigError, match="is not an address: it is not a text"):
            Tract.clone(wrong, tmp_path / "four")  # type: ignore[arg-type]  # what is tested


def test_a_push_of_what_parted_is_refused_and_says_what_is_there(url: str, tmp_path: Path) -> None:
    t = pushed(url, "a")
    with Tract.clone(url, tmp_path / "two") as other:
        other.user("b")
        other.push()
        t.user("c")

        with pytest.raises(RemoteMovedError, match=f"it is at {(other.head or '')[:16]}, pushed by") as error:
            t.push()
        assert (other.head, False) == (error.value.actual, error.value.landed)
        with pytest.raises(RemoteMovedError, match="both sides have new commits"):
            t.pull()
        assert "merged" == t.pull(strategy="merge").kind
        assert ["a", "c", "b"] == texts(t)
        t.push()
        other.pull()
        assert texts(t) == texts(other)


def test_a_pull_by_rebase_puts_our_commits_behind_theirs(url: str, tmp_path: Path) -> None:
    t = pushed(url, "a")
    with Tract.clone(url, tmp_path / "two") as other:
        other.user("b")
        other.push()
        t.user("c")

        assert "rebased" == t.pull(strategy="rebase").kind
        assert ["a", "b", "c"] == texts(t)
        assert "updated" == t.push().refs[0].status


def test_a_lease_moves_a_branch_only_from_where_it_was_seen(url: str, tmp_path: Path) -> None:
    t = pushed(url, "a", "b")
    t.reset("HEAD~1")
    t.user("c")
    with pytest.raises(RemoteMovedError, match="not in the history of this branch"):
        t.push()
    assert "forced" == t.push(force_with_lease=True).refs[0].status

    with Tract.clone(url, tmp_path / "two") as other:
        assert ["a", "c"] == texts(other)
        other.user("d")
        other.push()
        t.reset("HEAD~1")
        t.user("e")
        with pytest.raises(RemoteMovedError):
            t.push(force_with_lease=True)
        assert "forced" == t.push("origin", "+main").refs[0].status


def test_notes_of_both_sides_are_joined(url: str, tmp_path: Path) -> None:
    t = pushed(url, "a", "b", "c")
    with Tract.clone(url, tmp_path / "two") as other:
        t.annotate("HEAD:1", Priority.PINNED)
        other.annotate("HEAD:2", Priority.SKIP)
        t.push()
        other.push()
        other.fetch()
        t.fetch()

        assert texts(t) == texts(other) == ["a", "c"]
        assert [one.commit_hash for one in t.pinned()] == [one.commit_hash for one in other.pinned()]
        assert 1 == t.fetch("origin", "main").requests
        assert not t.push().objects
        assert not other.push().objects


def test_a_push_tells_the_notes_and_tags_that_it_sent(url: str) -> None:
    t = pushed(url, "a", "b")
    t.annotate("HEAD", Priority.PINNED)
    t.annotate("HEAD~1", Priority.SKIP)
    t.annotate("HEAD~1", Priority.NORMAL)
    t.user("c")
    t.annotate("HEAD", Priority.SKIP)
    first = t.push()
    t.annotate("HEAD", Priority.NORMAL)
    second = t.push()
    nothing = t.push()
    t.tag("v1")
    tags = t.push("origin", "v1")
    gone = t.push("origin", ":refs/tags/v1")

    assert ({"refs/notes/priority": 4}, "updated") == (first.notes, first.refs[0].status)
    assert ({"refs/notes/priority": 1}, "up to date") == (second.notes, second.refs[0].status)
    assert 1 == second.objects
    assert "PushResult('origin': 0 refs moved, 1 note, 1 object)" == repr(second)
    assert ({}, 0, 0) == (nothing.notes, nothing.objects, nothing.size)
    assert [("refs/tags/v1", None, t.head, "new")] == [(r.ref, r.old, r.new, r.status) for r in tags.refs]
    assert [("refs/tags/v1", t.head, None, "deleted")] == [(r.ref, r.old, r.new, r.status) for r in gone.refs]
    assert not t.push("origin", ":refs/tags/v1").refs


def test_the_command_says_up_to_date_only_where_nothing_was_sent(url: str, tmp_path: Path) -> None:
    pushed(url, "a", path=tmp_path / "one").close()

    def run(*words: str) -> tuple[str, str]:
        out, err = io.StringIO(), io.StringIO()
        console = Console(stdout=out, stderr=err, environ={}, folder=str(tmp_path / "one"))
        assert 0 == main(words, console=console)
        return out.getvalue(), err.getvalue()

    run("annotate", "HEAD", "skip")
    run("annotate", "HEAD", "pinned")
    assert ("   2 notes                 refs/notes/priority\n", f"To {url}\n") == run("push")
    assert ("", "Everything up to date\n") == run("push")
    run("tag", "v1")
    assert (" * [new]                   refs/tags/v1\n", f"To {url}\n") == run("push", "origin", "v1")
    run("config", "token_budget", "5000")
    assert ("", f"To {url}\nOnly settings or links of the tract were new\n") == run("push")
    assert ("", "Everything up to date\n") == run("push")


def test_branches_tags_and_deletions_travel(url: str, tmp_path: Path) -> None:
    t = pushed(url, "a")
    t.branch("draft", switch=True)
    t.user("b")
    t.tag("v1")
    t.push("origin", everything=True)

    with Tract.clone(url, tmp_path / "two") as other:
        assert ["draft", "main"] == [one.name for one in other.list_branches()]
        assert "draft" == other.current_branch
        assert t.head == other.get_commit("v1").commit_hash
        t.push("origin", ":draft")
        found = other.fetch()
        assert [("refs/remotes/origin/draft", "deleted")] == [(ref.ref, ref.status) for ref in found.refs]
        assert ["a", "b"] == texts(other)
        other.push("origin", "draft")
        assert "new" == t.fetch().refs[0].status


def test_a_new_branch_sends_only_what_the_remote_has_not(url: str) -> None:
    t = pushed(url, "a", "b", "c")
    t.branch("draft", switch=True)
    t.user("d")

    assert 2 == t.push().objects


def test_a_tag_that_is_another_here_stays(url: str, tmp_path: Path) -> None:
    t = pushed(url, "a")
    t.tag("v1")
    t.push("origin", "v1")
    with Tract.clone(url, tmp_path / "two") as other:
        other.user("b")
        other.push()
        t.pull()
        other.repository.close()
    t.user("c")
    t.push()
    with Tract.clone(url, tmp_path / "three") as third:
        third.delete_branch  # noqa: B018  # it is there
        assert ["v1"] == list(third.tags())


@pytest.mark.parametrize(
    ("refs", "message"),
    [
        (("nobody",), "no branch or tag 'nobody'"),
        (("a:b",), "same name on both sides"),
        ((":nobody",), "no branch 'nobody' to delete"),
    ],
)
def test_what_cannot_be_pushed_is_named(url: str, refs: tuple[str, ...], message: str) -> None:
    t = pushed(url, "a")
    with pytest.raises(Exception, match=message):
        t.push("origin", *refs)


def test_remotes_are_kept_without_secrets(tmp_path: Path) -> None:
    t = make_tract("a", path=tmp_path)
    t.add_remote("origin", str(tmp_path / "there"), timeout=5)
    with pytest.raises(ConfigError, match="a secret"):
        t.add_remote("x", "s3://b", secret_access_key="hunter2")
    with pytest.raises(ConfigError, match="which may contain secrets"):
        t.add_remote("x", "s3://user:hunter2@bucket")
    for endpoint in ("http://user:hunter2@host", "http://host/?sig=hunter2"):
        with pytest.raises(ConfigError, match="with a user or a query"):
            t.add_remote("x", "s3://bucket", endpoint=endpoint)
    with pytest.raises(RemoteError, match="already"):
        t.add_remote("origin", "elsewhere")
    t.push()
    t.close()

    assert "hunter2" not in (tmp_path / ".tract" / "config.toml").read_text()
    with make_tract(path=tmp_path) as again:
        assert [("origin", f"file://{tmp_path}/there", "if-match")] == [
            (one.name, one.url, one.conditions) for one in again.remotes()
        ]
        again.remove_remote("origin")
        assert [] == again.remotes()
        assert not again.repository.refs.list("refs/remotes/")
        with pytest.raises(RemoteError, match="no remote named 'origin'"):
            again.push()


def test_a_clone_that_cannot_be_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="no tract remote"):
        Tract.clone(f"file://{tmp_path}/nothing", tmp_path / "two")
    assert not (tmp_path / "two").exists()


def test_a_remote_is_undone_neither_by_undo_nor_seen_by_it(url: str, tmp_path: Path) -> None:
    t = pushed(url, "a", "b")
    with Tract.clone(url, tmp_path / "two") as other:
        other.user("c")
        other.push()
    t.fetch()
    t.undo()

    assert ["a"] == texts(t)
    assert "c" == t.get_content("origin/main").text


def test_many_notes_are_folded_and_many_packs_merged(url: str, tmp_path: Path) -> None:
    t = pushed(url, "a", path=tmp_path / "one")
    for number in range(80):
        t.assistant(f"b{number}", generation_config={"n": number}, key=f"k{number}")
        assert 2 == t.push().requests
    t.annotate("HEAD:2", Priority.SKIP)
    t.push()

    with Tract.clone(url, tmp_path / "two") as other:
        assert texts(t) == texts(other)
        assert [{"n": n} for n in reversed(range(80))] == [one.generation_config for one in other.log(80)]
        assert other.commit_for_key("k7") is not None
        other.assistant("c", generation_config={"n": 80})
        other.push()
        t.pull()
        assert {"n": 80} == t.log()[0].generation_config
    link = open_link(t.repository, "origin")
    known = link.look("root", "main")
    assert known is not None
    assert len(known.head.packs) <= 33
    assert len(known.head.notes) <= 64
    if t.path is not None:
        kept = [name for name in os.listdir(t.path / "cache") if name.startswith("remote-pack-")]
        assert len(kept) <= len(known.head.packs) + 2


def test_status_says_how_far_a_branch_and_the_remotes_are_apart(url: str, tmp_path: Path) -> None:
    t = pushed(url, "a")
    assert "up to date with origin/main" == str(t.status().upstream)
    t.user("b")
    t.user("c")
    assert ("origin/main", 2, 0) == t.status().upstream
    with Tract.clone(url, tmp_path / "two") as other:
        other.user("d")
        other.push()
    t.fetch()
    assert "2 ahead of and 1 behind origin/main" == str(t.status().upstream)
    assert t.status().upstream is not None
    t.switch("new", create=True)
    assert t.status().upstream is None


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_clone_without_history_has_the_whole_context_and_says_where_history_ends(
    url: str, tmp_path: Path, depth: int
) -> None:
    t = pushed(url, *(f"m{number}" for number in range(30)))
    t.edit("HEAD:3", "edited")
    t.annotate("HEAD:2", Priority.SKIP)
    t.assistant("answer", generation_config={"model": "m"})
    t.compress(from_commit="HEAD:4", to_commit="HEAD:9", content="in short")
    t.user("last")
    t.push()

    with Tract.clone(url, tmp_path / "two", depth=depth) as other:
        assert texts(t) == texts(other)
        assert t.head == other.head
        assert depth <= len(other.log(100)) < 10
        with pytest.raises(HistoryCutError, match="was cut on"):
            other.get_commit("HEAD~20")
        other.user("and on")
        other.push()
        t.pull()
        assert texts(t) == texts(other)
        t.user("from afar")
        t.push()
        other.pull()
        assert texts(t) == texts(other)
        assert {"model": "m"} in other.compile().generation_configs
        other.gc(orphan_retention_days=0)
        assert texts(t) == texts(other)
    assert not [one for one in check_repository(str(tmp_path / "two" / ".tract")).problems if one.severity != "note"]


def test_what_does_not_fit_in_memory_is_proved_in_quarantine(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/remote"
    t = make_tract("a", path=tmp_path / "one")
    for _ in range(4):
        t.user(os.urandom(1_500_000).hex())
    t.add_remote("origin", url)
    t.push()
    with Tract.clone(url, tmp_path / "two") as other:
        assert texts(t) == texts(other)
        assert not [name for name in os.listdir(tmp_path / "two" / ".tract" / "objects") if name.startswith("import-")]
    assert not check_repository(str(tmp_path / "two" / ".tract")).problems


def test_settings_and_names_of_tracts_travel(url: str, tmp_path: Path) -> None:
    name, long = "user/42: holiday ü", "x" * 200
    with Session.open(tmp_path / "one", config=TractConfig(token_budget=5000, author="ann")) as session:
        session.get_tract("root").user("a")
        session.create_tract(name, config=TractConfig(token_budget=700)).user("b")
        session.create_tract(long).user("c")
        root = session.get_tract("root")
        root.add_remote("origin", url)
        root.push(all_tracts=True)
        assert sorted(["root", name, long]) == tract_names(open_link(root.repository, "origin"))
    Tract.clone(url, tmp_path / "two").close()
    with Session.open(tmp_path / "two") as session:
        budgets = [session.get_tract(one).config.budget for one in ("root", name)]
        assert [5000, 700] == [one.max_tokens for one in budgets if one is not None]
        assert ["a", "b", "c"] == [texts(session.get_tract(one))[0] for one in ("root", name, long)]
        assert ["origin"] == [one.name for one in session.get_tract("root").remotes()]
        assert "ann" != session.get_tract("root").config.author


def test_commands_without_a_remote_do_not_load_it(tmp_path: Path) -> None:
    make_tract("a", path=tmp_path).close()
    program = "import sys, tract; from tract.cli.main import main; main(['log']); t = tract.Tract.open(); t.user('b'); t.close(); print([m for m in sys.modules if m.startswith(('tract.remote', 'obstore'))])"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)})  # fmt: skip
    assert "[]" == done.stdout.splitlines()[-1]


def test_a_branch_that_a_remote_has_is_switched_to_and_listed(url: str, tmp_path: Path) -> None:
    t = pushed(url, "a", path=tmp_path / "one")
    with Tract.clone(url, tmp_path / "two") as other:
        other.switch("draft", create=True)
        other.user("b")
        other.push()
    t.fetch()
    t.switch("draft")
    assert ["a", "b"] == texts(t)
    with pytest.raises(BranchNotFoundError):
        t.switch("nobody")
    t.close()
    out = io.StringIO()
    console = Console(stdout=out, stderr=io.StringIO(), environ={}, folder=str(tmp_path / "one"))
    assert 0 == main(("branch", "-r"), console=console)
    assert ["origin/draft", "origin/main"] == out.getvalue().split()


def test_a_tract_is_deleted_there_and_stays_gone(url: str, tmp_path: Path) -> None:
    with Session.open(tmp_path / "one") as session:
        root = session.get_tract("root")
        root.user("a")
        child = session.create_tract("researcher")
        child.user("b")
        child.tag("v1")
        root.add_remote("origin", url)
        root.push(all_tracts=True)
        Tract.clone(url, tmp_path / "two").close()
        with pytest.raises(RemoteError, match="no tract 'nobody'"):
            root.push("origin", ":nobody::")
        with pytest.raises(SessionError, match="root tract cannot be deleted"):
            root.push("origin", ":root::")
        session.delete_tract("researcher")
        assert ["deleted"] == [one.status for one in root.push("origin", ":researcher::").refs]
        with pytest.raises(RemoteError, match="no tract 'researcher'"):
            root.push("origin", ":researcher::")
        root.user("c")
        root.push(all_tracts=True)
        assert verify_remote(open_link(root.repository, "origin")).is_clean
    Tract.clone(url, tmp_path / "three").close()
    with Session.open(tmp_path / "three") as session:
        assert ["root"] == [one.tract_id for one in session.list_tracts()]
    with Session.open(tmp_path / "two") as session:
        root = session.get_tract("root")
        assert {"deleted", "updated"} == {one.status for one in root.fetch(all_tracts=True).refs}
        researcher = session.get_tract("researcher")
        assert ["b"] == texts(researcher)  # what is here stays, as a branch does in git
        researcher.push()
    Tract.clone(url, tmp_path / "four").close()
    with Session.open(tmp_path / "four") as session:
        assert ["b"] == texts(session.get_tract("researcher"))


def test_a_tract_that_others_moved_is_deleted_by_force_only(url: str, tmp_path: Path) -> None:
    with Session.open(tmp_path / "one") as session:
        root = session.get_tract("root")
        session.create_tract("x").user("b")
        root.user("a")
        root.add_remote("origin", url)
        root.push(all_tracts=True)
        Tract.clone(url, tmp_path / "two").close()
        with Session.open(tmp_path / "two") as other:
            moved = other.get_tract("x")
            moved.user("c")
            moved.push()
        with pytest.raises(RemoteMovedError, match="which this store has not seen yet"):
            root.push("origin", ":x::")
        assert ["deleted"] == [one.status for one in root.push("origin", "+:x::").refs]


def test_later_changes_of_settings_travel_key_by_key(url: str, tmp_path: Path) -> None:
    with Session.open(tmp_path / "one", config=TractConfig(token_budget=5000)) as session:
        session.get_tract("root").user("a")
        session.create_tract("child", config=TractConfig(summary_window=900)).user("b")
        session.get_tract("root").add_remote("origin", url)
        session.get_tract("root").push(all_tracts=True)
    Tract.clone(url, tmp_path / "two").close()

    Tract.open(
        tmp_path / "one", config=TractConfig(token_budget=7000, display_name="talk", orphan_retention_days=0)
    ).close()
    Tract.open(tmp_path / "two", config=TractConfig(output_price=9.0, display_name="other")).close()
    with Tract.open(tmp_path / "one") as t:
        t.push()
    with Tract.open(tmp_path / "two") as t:
        t.fetch()
    with Tract.open(tmp_path / "two") as t:
        config = t.config
        assert (7000, 9.0, "other", 7) == (
            config.budget.max_tokens,  # type: ignore[union-attr]
            config.output_price,
            config.display_name,
            config.orphan_retention_days,  # what gc takes here nobody far away decides
        )
        assert ["origin"] == [one.name for one in t.remotes()]
        t.push()
        assert 0 == t.push().requests or "up to date" == t.push().refs[0].status
    with Tract.open(tmp_path / "one") as t:
        t.fetch()
    with Tract.open(tmp_path / "one") as t:
        assert (9.0, "other", 0) == (t.config.output_price, t.config.display_name, t.config.orphan_retention_days)


def test_a_store_that_was_never_the_remotes_takes_no_settings_from_it(url: str, tmp_path: Path) -> None:
    with Tract.open(tmp_path / "one", config=TractConfig(token_budget=5000)) as t:
        t.user("a")
        t.add_remote("origin", url)
        t.push()
    with Tract.open(tmp_path / "two", config=TractConfig(token_budget=10)) as t:
        t.add_remote("origin", url)
        t.fetch()
        t.switch("draft", create="orphan")
        t.system("b")
        t.push()
    with Tract.open(tmp_path / "two") as t:
        assert 10 == t.config.budget.max_tokens  # type: ignore[union-attr]
    with Tract.clone(url, tmp_path / "three") as t:
        assert 5000 == t.config.budget.max_tokens  # type: ignore[union-attr]


def test_a_child_that_was_not_cloned_is_not_here(url: str, tmp_path: Path) -> None:
    with Session.open(tmp_path / "one") as session:
        lead = session.create_tract("lead")
        lead.user("one")
        lead.spawn("look", name="x").assistant("it")
        lead.spawn("look too", name="y").assistant("it")
        session.delete_tract("y")
        assert ["open", "deleted"] == [child.status for child in lead.children()]
        session.restore_tract("y")
        assert ["open", "open"] == [child.status for child in lead.children()]
        lead.add_remote("origin", url)
        lead.push(all_tracts=True)
    Tract.clone(url, tmp_path / "two", tracts=["lead"]).close()

    with Session.open(tmp_path / "two") as session:
        lead = session.get_tract("lead")
        assert [("x", "not here"), ("y", "not here")] == [(one.child_tract_id, one.status) for one in lead.children()]
        session.delete_tract("lead")  # nobody here was spawned from it


def test_a_child_was_made_when_it_was_spawned_in_every_copy(url: str, tmp_path: Path) -> None:
    with Session.open(tmp_path / "one") as session:
        lead = session.create_tract("lead")
        lead.user("one")
        lead.spawn("look", name="x").assistant("it")
        made = {info.tract_id: info.created_at for info in session.list_tracts()}
        lead.add_remote("origin", url)
        lead.push(all_tracts=True)
        session.rename_tract("x", "y")
        session.delete_tract("y")
        session.restore_tract("y")
        session.rename_tract("lead", "first")
        now = {info.tract_id: info.created_at for info in session.list_tracts()}
    assert (made["x"], made["lead"]) == (now["y"], now["first"])

    Tract.clone(url, tmp_path / "two").close()
    with Session.open(tmp_path / "two") as session:
        assert made["x"] == {info.tract_id: info.created_at for info in session.list_tracts()}["x"]
