"""Revisions: every form names the commit it should, and anything else is an error that says what was not found."""

from __future__ import annotations

import time

import pytest

from tests.making import make_repo, say
from tract.errors import AmbiguousPrefixError, CommitNotFoundError, TractError
from tract.history.branch import create_branch, switch_branch
from tract.history.notes import NewNote, NoteTable, write_note
from tract.history.tags import create_tag
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, new_commit
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.revision import resolve_object, resolve_range, resolve_revision

MAIN = "refs/heads/main"


def with_merge() -> tuple[Repository, list[ObjectId], ObjectId]:
    """Two commits, and a merge of them on main."""
    repo, ids = make_repo("a", "b", "c")
    merge = new_commit(Commit(CommitOperation.MERGE, (ids[2], ids[0]), None, None, None, (), 4, 0, "tester"))
    repo.refs.update([RefEdit(MAIN, merge.id)], reason="merge", objects=[merge])
    return repo, ids, merge.id


def test_every_form_names_its_commit() -> None:
    repo, (a, b, c) = make_repo("a", "b", "c")
    create_tag(repo, "v1", b)
    create_branch(repo, "feature/x", a)

    forms = {
        a: [
            "HEAD~2",
            "HEAD^^",
            "@~2",
            "main~1~1",
            "main^~",
            "v1^",
            "feature/x",
            "heads/feature/x",
            a.hex(),
            a.hex()[:40],
        ],
        b: ["v1", "tags/v1", "refs/tags/v1", "HEAD~", "HEAD^", "@^1", "HEAD^0^", "main@{1}", "@{1}", c.hex() + "~1"],
        c: ["HEAD", "@", "main", "heads/main", MAIN, "HEAD~0", "HEAD^0", "@{0}", "main@{0}", "HEAD@{0}", "@@{0}"],
    }

    for id, names in forms.items():
        for name in names:
            assert id == resolve_revision(repo, name), name
    assert a == resolve_revision(repo, "main@{1}~1")


def test_a_merge_has_two_parents() -> None:
    repo, (a, b, c), merge = with_merge()

    assert [c, c, a, b, merge] == [resolve_revision(repo, "HEAD" + suffix) for suffix in ("^", "^1", "^2", "~2", "^0")]
    with pytest.raises(CommitNotFoundError, match="has 2 parents"):
        resolve_revision(repo, "HEAD^3")
    with pytest.raises(CommitNotFoundError, match=r"has 1 parent$"):
        resolve_revision(repo, "HEAD~1^2")


def test_a_ref_is_where_it_was_some_moves_ago() -> None:
    repo, (a, b, c) = make_repo("a", "b", "c")
    create_branch(repo, "draft", b)
    switch_branch(repo, "draft")
    d = say(repo, "d")
    repo.refs.update([RefEdit("refs/heads/draft", a)], reason="reset")

    assert [a, d, b] == [resolve_revision(repo, f"draft@{{{n}}}") for n in range(3)]
    assert [a, d, b] == [resolve_revision(repo, f"@{{{n}}}") for n in range(3)]
    assert [c, b, a] == [resolve_revision(repo, f"main@{{{n}}}") for n in range(3)]
    assert [a, d] == [resolve_revision(repo, f"HEAD@{{{n}}}") for n in range(2)]


def test_a_tag_comes_before_a_branch_of_its_name() -> None:
    repo, (a, b) = make_repo("a", "b")
    create_branch(repo, "same", a)
    create_tag(repo, "same", b)

    assert (b, a) == (resolve_revision(repo, "same"), resolve_revision(repo, "heads/same"))


def test_a_branch_comes_before_a_prefix_of_an_id() -> None:
    repo, (a, b) = make_repo("a", "b")
    create_branch(repo, a.hex()[:8], b)

    assert b == resolve_revision(repo, a.hex()[:8])
    assert a == resolve_revision(repo, a.hex()[:9])


def test_a_prefix_must_have_four_digits_and_name_one_commit() -> None:
    repo, ids = make_repo(*map(str, range(1200)))
    prefixes: dict[str, list[ObjectId]] = {}
    for id in ids:
        prefixes.setdefault(id.hex()[:4], []).append(id)
    alone = next(prefix for prefix, found in prefixes.items() if len(found) == 1)
    shared = next(prefix for prefix, found in prefixes.items() if len(found) > 1)

    assert prefixes[alone] == [resolve_revision(repo, alone)]
    with pytest.raises(AmbiguousPrefixError) as caught:
        resolve_revision(repo, shared)
    assert tuple(sorted(id.hex() for id in prefixes[shared])) == caught.value.candidates
    assert all(id == resolve_revision(repo, id.hex()[:20]) for id in prefixes[shared])
    with pytest.raises(CommitNotFoundError, match="needs 4 digits"):
        resolve_revision(repo, alone[:3])


def test_a_note_makes_no_message_ambiguous() -> None:
    repo, ids = make_repo(*map(str, range(250)))
    notes, table = {}, NoteTable()
    for n in range(4000):
        note = NewNote(ids[0], {"priority": "normal", "reason": str(n)}, n)
        write_note(repo, "priority", note, reason="note", table=table)
        notes[repo.ref("refs/notes/priority").hex()[:4]] = n  # type: ignore[union-attr]
    of_messages = [id.hex()[:4] for id in ids]
    # Two messages that begin alike are ambiguous, whatever notes there are.
    shared = [id for id in ids if id.hex()[:4] in notes and of_messages.count(id.hex()[:4]) == 1]
    assert shared, "4,000 of 65,536 prefixes, and 250 messages: some share one"

    for id in shared:
        assert id == resolve_revision(repo, id.hex()[:4])


@pytest.mark.parametrize(
    "revision",
    [
        "nope", "", "HEAD~9", "main^2", "HEAD@{9}", "main@{9}", "nope@{0}", "@{-1}", "HEAD~-1", "HEAD@{x}", "main@{1", "~x",
        "main~1@{0}", "0" * 64, "f" * 63, "0" * 65, "dead", "DEADBEEF", "-rf", "../x", "HEAD..main", "^HEAD", "main^{tree}",
        "HEAD\n", " HEAD", "HEAD ", "refs/heads/", "refs/heads/../main", "tracts/x/HEAD", "ORIG_HEAD", "\ud800", "HEAD~" + "9" * 5000,
        "HEAD^" + "9" * 5000, "@{" + "9" * 5000 + "}", "HEAD~99999999999", "HEAD~٣",
    ],
)  # fmt: skip
def test_anything_else_is_an_error_that_names_it(revision: str) -> None:
    repo, _ = make_repo("a", "b", "c")

    with pytest.raises(CommitNotFoundError) as caught:
        resolve_revision(repo, revision)
    assert revision == caught.value.revision


def test_long_revisions_take_little_time() -> None:
    repo, _ = make_repo("a")
    start = time.monotonic()
    for revision in ("HEAD" + "~0" * 20_000, "~" * 20_000, "~x" * 20_000, "@{0}" * 10_000, "^" * 20_000 + "x"):
        try:
            resolve_revision(repo, revision)
        except TractError:
            continue
    assert time.monotonic() - start < 2


def test_an_object_that_is_no_commit_is_named_as_what_it_is() -> None:
    repo, (a,) = make_repo("a")
    blob = repo.commit(a).content
    assert blob is not None

    with pytest.raises(CommitNotFoundError, match="that object is a blob"):
        resolve_revision(repo, blob.hex())
    with pytest.raises(CommitNotFoundError):
        resolve_revision(repo, blob.hex()[:12])
    assert blob == resolve_object(repo, blob.hex()[:12]) == resolve_object(repo, a.hex() + "^{blob}")


def test_a_store_without_commits_says_so() -> None:
    repo, _ = make_repo()

    for revision in ("HEAD", "@", "HEAD~1"):
        with pytest.raises(CommitNotFoundError, match="there is no commit yet"):
            resolve_revision(repo, revision)


def test_ranges_name_what_is_wanted_and_what_is_not() -> None:
    repo, (a, b, c) = make_repo("a", "b", "c")

    assert (c, a) == resolve_range(repo, "HEAD~2..main") == resolve_range(repo, "HEAD~2..")
    assert (b, c) == resolve_range(repo, "..HEAD~1")
    assert (None, b) == resolve_range(repo, "^HEAD~")
    assert (b, None) == resolve_range(repo, "HEAD~")
    with pytest.raises(CommitNotFoundError, match=r"'\.\.\.' is not understood"):
        resolve_range(repo, "main...HEAD")
