"""The versions of a message, and the way back to one."""

from __future__ import annotations

import pytest

from tests.making import texts
from tract import ContentValidationError, EditTargetError, Priority, Tract


def make_tract() -> tuple[Tract, list[str]]:
    """A tract whose second message was edited twice, and the ids of its three versions."""
    t = Tract.open(":memory:")
    t.system("Be kind.")
    original = t.user("one")
    t.assistant("noted")
    edits = [t.edit(original.commit_hash, text) for text in ("two", "three")]
    return t, [original.commit_hash, *(edit.commit_hash for edit in edits)]


def test_the_versions_of_a_message_are_listed_from_any_of_them():
    t, versions = make_tract()

    for version in versions:
        assert versions == [info.commit_hash for info in t.edit_history(version)]
    assert [t.head, "append"][1:] == [info.operation for info in t.edit_history("HEAD~4")]


@pytest.mark.parametrize(("version", "text"), [(0, "one"), (1, "two"), (2, "three"), (-2, "two"), (-3, "one")])
def test_an_earlier_content_comes_back_as_an_edit(version, text):
    t, versions = make_tract()

    info = t.restore(versions[0], version, message="back")

    assert ["Be kind.", text, "noted"] == texts(t)
    assert ("edit", versions[0], "back") == (info.operation, info.response_to, info.message)
    assert [*versions, info.commit_hash] == [one.commit_hash for one in t.edit_history(versions[0])]


def test_a_version_may_be_named_by_its_commit_and_the_message_by_an_edit():
    t, versions = make_tract()

    t.restore(versions[2], versions[1])

    assert "two" == texts(t)[1]


def test_a_message_of_a_provider_comes_back_whole():
    t = Tract.open(":memory:")
    raw = {
        "role": "user",
        "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
        "zeta": 1,
    }
    first = t.commit(raw)
    t.edit(first.commit_hash, {"role": "user", "content": "b"})

    t.restore(first.commit_hash, 0)

    assert [raw] == [message.raw for message in t.compile().messages]
    assert first.content_hash == t.get_commit("HEAD").content_hash


def test_an_undone_restore_and_a_pinned_message_stay_what_they_are():
    t, versions = make_tract()
    t.annotate(versions[0], Priority.PINNED)

    t.restore(versions[0], 0)
    t.restore(versions[0], -2)

    assert "three" == texts(t)[1]
    assert versions[0] in [info.commit_hash for info in t.pinned()]


@pytest.mark.parametrize(
    ("version", "problem"),
    [(3, "has 3 versions, none of them 3"), (-4, "none of them -4"), ("HEAD~2", "is not a version of message")],
)
def test_what_is_no_version_of_the_message_is_refused(version, problem):
    t, versions = make_tract()

    with pytest.raises(EditTargetError, match=problem):
        t.restore(versions[0], version)
    assert versions[2] == t.head


def test_a_restored_messages_note_is_text():
    t, versions = make_tract()

    with pytest.raises(ContentValidationError, match="message must be text, not bytes"):
        t.restore(versions[0], 0, message=b"back")
    assert versions[2] == t.head


def conflict() -> tuple[Tract, str]:
    """A tract on ``main`` with a message that was edited there and, otherwise, on ``draft``; and its id."""
    t = Tract.open(":memory:")
    message = t.user("one").commit_hash
    t.branch("draft", switch=True)
    t.edit(message, "theirs")
    t.switch("main")
    t.edit(message, "ours")
    return t, message


def test_a_merge_that_gave_the_message_its_text_is_a_version_of_it():
    t, message = conflict()
    result = t.merge("draft")
    merge = t.commit_merge(result.edit_resolution(result.conflicts[0], "both")).merge_commit_hash
    t.edit(message, "later")

    versions = t.edit_history(message)

    assert ["append", "edit", "edit", "merge", "edit"] == [version.operation for version in versions]
    assert merge == versions[3].commit_hash
    t.restore(message, 3)
    assert ["both"] == texts(t)
    t.restore(message, 1)
    t.restore(message, merge)
    assert ["both"] == texts(t)


def test_a_merge_that_took_one_sides_text_is_no_version():
    t, message = conflict()
    t.merge("draft", strategy="theirs", auto_commit=True)

    assert ["theirs"] == texts(t)
    assert ["append", "edit", "edit"] == [version.operation for version in t.edit_history(message)]


def test_a_revert_of_an_edit_is_a_version():
    t, versions = make_tract()

    t.revert("HEAD")

    assert "two" == texts(t)[1]
    assert ["append", "edit", "edit", "revert"] == [version.operation for version in t.edit_history(versions[0])]
    t.restore(versions[0], 2)
    t.restore(versions[0], 3)
    assert "two" == texts(t)[1]
