"""The journal: what a crash, a reader in another process and a damaged disk may and may not do to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tract.errors import BlobNotFoundError, DamageWarning, FormatVersionError, ObjectCorruptError
from tract.objects.model import NewObject, Operation, new_blob, new_operation
from tract.storage.database import Database
from tract.storage.journal_format import FILE_HEADER_SIZE

Open = Callable[..., Database]


def blob(text: object) -> NewObject:
    return new_blob({"text": text})


def operation(reason: str) -> NewObject:
    return new_operation(Operation(None, 0, "tester", reason, ()))


def append(store: Database, text: str, reason: str | None = None) -> int:
    """Append a blob and an operation; where the journal ends then."""
    with store.lock():
        store.append([blob(text)], operation(reason or text), keyframe=False)
    return store.stats().journal_size


def has(store: Database, text: str) -> bool:
    try:
        return blob(text).payload == store.read(blob(text).id).payload
    except BlobNotFoundError:
        return False


def mark_in(folder: Path) -> Path:
    return folder / "locks" / "journal"


def journal_in(folder: Path) -> Path:
    return folder / "objects" / "journal"


def test_a_reopened_journal_has_what_was_appended(database: Open) -> None:
    store = database()
    append(store, "a")
    append(store, "b" * 100_000)

    again = database()

    assert has(again, "a")
    assert has(again, "b" * 100_000)
    assert list(store.operations()) == list(again.operations())


def test_an_open_handle_sees_what_another_appends(database: Open) -> None:
    store, other = database(), database()
    append(other, "a")

    assert has(store, "a")
    assert list(other.operations()) == list(store.operations())


def test_an_open_handle_sees_what_another_process_appends(database: Open, tmp_path: Path) -> None:
    store = database()
    code = (
        "from tract.storage.database import Database; from tract.objects.model import *\n"
        f"store = Database({str(tmp_path / 'objects')!r}, {str(tmp_path / 'locks')!r})\n"
        "with store.lock():\n"
        "    store.append([new_blob({'text': 'a'})], new_operation(Operation(None, 0, 'x', 'x', ())), keyframe=False)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )

    assert has(store, "a")


@pytest.mark.parametrize("durability", ["full", "process"])
def test_a_tail_torn_at_any_byte_is_cleared_and_loses_nothing_before_it(
    database: Open, tmp_path: Path, durability: str
) -> None:
    store = database(durability)
    before = append(store, "kept")
    mark = mark_in(tmp_path).read_bytes()
    end = append(store, "lost")
    store.close()
    whole = journal_in(tmp_path).read_bytes()

    for cut in range(before, end):
        mark_in(tmp_path).write_bytes(mark)  # a writer that was killed in its write says nothing of it
        # The file keeps its length, as it was preallocated, or ends there, as it does on other file systems.
        journal_in(tmp_path).write_bytes(whole[:cut].ljust(len(whole) if cut % 2 else cut, b"\0"))
        torn = database(durability)
        assert has(torn, "kept")
        assert not has(torn, "lost")
        append(torn, "next")
        again = database(durability)
        assert has(again, "kept")
        assert has(again, "next")
        assert not has(again, "lost")
        assert 3 == len(again.operations())
        again.close()
        torn.close()


def test_a_byte_wrong_anywhere_in_the_last_transaction_undoes_all_of_it_and_is_told(
    database: Open, tmp_path: Path
) -> None:
    store = database()
    before = append(store, "kept")
    end = append(store, "lost")
    store.close()
    whole = bytearray(journal_in(tmp_path).read_bytes())

    for at in range(before, end):
        whole[at] ^= 1 << at % 8
        journal_in(tmp_path).write_bytes(whole)
        whole[at] ^= 1 << at % 8
        with pytest.warns(DamageWarning, match="1 transaction"):
            damaged = database()
        assert has(damaged, "kept")
        assert not has(damaged, "lost")
        damaged.close()


def test_a_byte_wrong_before_a_synced_transaction_is_damage(database: Open, tmp_path: Path) -> None:
    store = database("full")
    start = append(store, "first")
    end = append(store, "damaged")
    append(store, "last")
    store.close()
    whole = bytearray(journal_in(tmp_path).read_bytes())

    for at in range(start, end):
        whole[at] ^= 1 << at % 8
        journal_in(tmp_path).write_bytes(whole)
        with pytest.raises(ObjectCorruptError) as caught:
            database()
        assert (str(journal_in(tmp_path)), start) == (caught.value.subject, caught.value.offset)
        assert whole == journal_in(tmp_path).read_bytes()
        whole[at] ^= 1 << at % 8

    journal_in(tmp_path).write_bytes(whole)
    assert has(database(), "last")


def test_damage_that_appears_under_an_open_handle_is_reported_by_its_reads(database: Open, tmp_path: Path) -> None:
    store, reader = database(), database()
    start = append(store, "a")
    append(store, "b")
    reader.refresh()
    data = bytearray(journal_in(tmp_path).read_bytes())
    data[start + 28 + 44] ^= 1
    journal_in(tmp_path).write_bytes(data)

    with pytest.raises(ObjectCorruptError, match="do not match its id"):
        reader.read(blob("b").id)
    assert blob("b").payload == store.read(blob("b").id).payload  # who wrote it has it in memory still


def test_what_is_in_a_small_pack_of_many_may_be_written_again_and_what_is_in_the_largest_is_not(database: Open) -> None:
    store = database()
    kept = [blob(number) for number in range(40)]
    store.append(kept, operation("largest"), keyframe=False)
    store.seal(operation("seal"))
    for number in range(6):
        store.append([blob(f"{number}, alone")], operation(f"{number}"), keyframe=False)
        store.seal(operation(f"seal {number}"))

    before = store.stats().journal_objects
    store.append([kept[7], blob("0, alone"), blob("5, alone")], operation("again"), keyframe=False)

    assert 7 == store.stats().packs
    assert 2 == store.stats().journal_objects - before
    assert [kept[7].payload, blob("5, alone").payload] == [
        store.read(id).payload for id in (kept[7].id, blob("5, alone").id)
    ]


def test_a_hole_between_unsynced_transactions_is_set_aside_and_cleared(database: Open, tmp_path: Path) -> None:
    store = database("process")
    start = append(store, "kept")
    end = append(store, "hole")
    append(store, "behind")
    store.close()
    data = bytearray(journal_in(tmp_path).read_bytes())
    data[start:end] = bytes(end - start)
    journal_in(tmp_path).write_bytes(data)

    with pytest.warns(DamageWarning, match="1 whole transaction behind"):
        again = database("process")
    assert data == journal_in(tmp_path).read_bytes()
    append(again, "next")

    assert [True, False, False, True] == [has(again, text) for text in ("kept", "hole", "behind", "next")]
    (aside,) = (tmp_path / "objects").glob("journal.torn-*")
    assert data[:FILE_HEADER_SIZE] + data[start:].rstrip(b"\0") == aside.read_bytes()
    assert 0o600 == aside.stat().st_mode & 0o777
    with pytest.warns(DamageWarning, match="set aside in 1 file"):
        database()


def test_a_message_may_hold_the_bytes_of_a_transaction(database: Open, tmp_path: Path) -> None:
    store = database("full")
    start = append(store, "a")
    end = append(store, "b")
    mark = mark_in(tmp_path).read_bytes()
    whole = journal_in(tmp_path).read_bytes()
    # Real ones, with the file's own nonce; as text of one byte a character, so that they stand in the journal as they are.
    copied = new_blob({"text": whole[start:end], "again": whole[:end]})
    with store.lock():
        store.append([copied], operation("copied"), keyframe=False)
    before = store.stats().journal_size
    append(store, "c")
    store.close()
    data = journal_in(tmp_path).read_bytes()

    assert copied.payload == database().read(copied.id).payload
    # Torn inside that message, there is nothing acknowledged behind the tear.
    journal_in(tmp_path).write_bytes(data[: before - 300])
    mark_in(tmp_path).write_bytes(mark)
    again = database("full")
    assert [True, True, False] == [has(again, text) for text in ("a", "b", "c")]


@pytest.mark.parametrize("version", [b"0", b"2", b"9"])
def test_another_version_is_refused_by_name(database: Open, tmp_path: Path, version: bytes) -> None:
    database().close()
    data = journal_in(tmp_path).read_bytes()
    journal_in(tmp_path).write_bytes(b"tract journal " + version + b"\n" + data[16:])

    with pytest.raises(FormatVersionError) as caught:
        database()
    assert version.decode() == caught.value.found


def test_every_flipped_bit_of_the_header_is_refused(database: Open, tmp_path: Path) -> None:
    append(database(), "a")
    data = bytearray(journal_in(tmp_path).read_bytes())

    for at in range(FILE_HEADER_SIZE * 8):
        data[at // 8] ^= 1 << at % 8
        journal_in(tmp_path).write_bytes(data)
        with pytest.raises((ObjectCorruptError, FormatVersionError)):
            database()
        data[at // 8] ^= 1 << at % 8


def test_a_journal_cut_inside_its_first_transaction_is_refused(database: Open, tmp_path: Path) -> None:
    store = database()
    end = store.stats().journal_size
    store.close()
    data = journal_in(tmp_path).read_bytes()

    for cut in range(end):
        journal_in(tmp_path).write_bytes(data[:cut])
        with pytest.raises((ObjectCorruptError, FormatVersionError)):
            database()


def test_a_missing_journal_is_damage(database: Open, tmp_path: Path) -> None:
    database().close()
    journal_in(tmp_path).unlink()

    with pytest.raises(ObjectCorruptError, match="the journal is missing"):
        database()


def test_a_journal_that_shrinks_under_an_open_handle_is_damage(database: Open, tmp_path: Path) -> None:
    store = database()
    end = append(store, "a")
    os.truncate(journal_in(tmp_path), end - 1)

    with pytest.raises(ObjectCorruptError, match="shorter"):
        store.refresh()


def test_a_journal_that_is_cut_anywhere_is_never_sealed(database: Open, tmp_path: Path) -> None:
    store = database()
    for number in range(3):
        end = append(store, f"message {number}")
    path = tmp_path / "objects" / "journal"
    whole = path.read_bytes()
    for size in range(FILE_HEADER_SIZE, end, 7):
        with store.lock():
            os.truncate(path, size)
            with pytest.raises(ObjectCorruptError, match="journal"):
                store.seal(operation("seal"))
            path.write_bytes(whole)
    assert has(database(), "message 2")


def test_space_is_written_ahead_in_steps(database: Open, tmp_path: Path) -> None:
    store = database()
    sizes = set()
    for n in range(60):
        append(store, f"{n}" * 5000 + os.urandom(5000).hex())
        sizes.add(journal_in(tmp_path).stat().st_size)

    assert len(sizes) < 8
    assert all(not size % (64 * 1024) for size in sizes)
    end = store.stats().journal_size
    assert end <= max(sizes)
    assert not any(journal_in(tmp_path).read_bytes()[end:])


def test_an_append_after_a_backup_by_hard_links_goes_to_the_store_and_not_to_the_backup(
    database: Open, tmp_path: Path
) -> None:
    store, other = database(), database()
    append(store, "a")
    os.link(journal_in(tmp_path), tmp_path / "backup")
    with other.lock():
        other.seal(operation("seal"))

    append(store, "b")

    assert has(database(), "b")


def test_every_read_of_a_listing_names_a_kind_that_is_one(database: Open, tmp_path: Path) -> None:
    store = database()
    start = append(store, "a")
    append(store, "b")
    data = bytearray(journal_in(tmp_path).read_bytes())
    for code in (0, 9, 255):
        data[start + 28] = code
        journal_in(tmp_path).write_bytes(data)
        with pytest.raises(ObjectCorruptError):
            list(store.ids())


def test_a_journal_over_its_limit_is_full(database: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = database()
    append(store, "a" * 200)
    assert not store.is_full()

    monkeypatch.setattr("tract.storage.database.JOURNAL_LIMIT", 300)

    assert store.is_full()


def test_a_crash_between_pack_and_new_journal_loses_nothing(database: Open, tmp_path: Path) -> None:
    store = database()
    for text in "abc":
        append(store, text)
    old = journal_in(tmp_path).read_bytes()
    with store.lock():
        store.seal(operation("seal"))
    store.close()
    journal_in(tmp_path).write_bytes(old)

    again = database()
    assert 4 == len(again.operations())
    append(again, "d")
    with again.lock():
        again.seal(operation("seal again"))

    assert all(has(again, text) for text in "abcd")
    assert len(dict(again.ids())) == len(list(again.ids()))


def test_a_handle_follows_another_handles_seal(database: Open) -> None:
    store, other = database(), database()
    append(store, "a")
    with other.lock():
        other.seal(operation("seal"))

    assert has(store, "a")
    append(store, "b")
    assert has(other, "b")
    assert [operation("seal").id, operation("b").id] == list(store.operations())
