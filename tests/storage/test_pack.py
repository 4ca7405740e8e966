"""Packs and their indexes: damage is seen, whatever it is, and never read as content."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.storage.without_linux import names_descriptors
from tract.errors import FormatVersionError, ObjectCorruptError, TractError
from tract.objects.id import ID_SIZE, ObjectId
from tract.objects.model import Commit, CommitOperation, NewObject, Node, Object, new_blob, new_commit, new_node
from tract.storage.folding import unfold
from tract.storage.pack import Pack
from tract.storage.pack_index import index_bytes, is_whole
from tract.storage.pack_writer import Group, fold, write_pack

# Bytes that look like an id in msgpack, where there is none.
TRICKY = "\xc4 " + "x" * 40


def sample(number: int = 12) -> list[NewObject]:
    """Blobs, then commits and nodes that name each other and ids from elsewhere."""
    blobs = [new_blob({"text": f"message {n} " + "words " * n + TRICKY}) for n in range(number)]
    commits: list[NewObject] = []
    for n, blob in enumerate(blobs):
        parents = (commits[-1].id,) if commits else (b"\xc4\x20" * 16,)
        open_ = tuple(part for one in commits[-4:] for part in (one.id, blob.id))
        made = Commit(CommitOperation.APPEND, parents, blob.id, None, None, open_, n + 1, n, "tester", TRICKY)
        commits.append(new_commit(made))
    nodes = [new_node(Node(0, (commits[n].id, blobs[n].id, bytes(32), blobs[0].id))) for n in range(min(3, number))]
    return [*blobs, *nodes, *commits]


def pack_in(folder: Path, objects: Sequence[NewObject], dictionary: bytes = b"") -> Path:
    groups = [Group(kind, [o.id for o in objects if o.kind == kind]) for kind in ("blob", "tree", "commit")]
    payloads = [o.payload for group in groups for o in objects if o.kind == group.kind]
    return Path(write_pack(str(folder), [g for g in groups if g.ids], payloads, dictionary=dictionary))


def dictionary() -> bytes:
    samples = [new_blob({"text": f"message {n} " + "words and more words " * (n % 7)}).payload for n in range(400)]
    return zstandard.train_dictionary(2048, samples).as_bytes()


@pytest.fixture
def opened() -> Iterator[list[Pack]]:
    packs: list[Pack] = []
    yield packs
    for pack in packs:
        pack.close()


def read_all(path: Path, ids: Sequence[ObjectId]) -> list[Object | None]:
    pack = Pack(str(path))
    try:
        return [pack.read(id) for id in ids]
    finally:
        pack.close()


@pytest.mark.parametrize("words", [b"", "dictionary"])
def test_every_object_reads_back(tmp_path: Path, opened: list[Pack], words: bytes | str) -> None:
    objects = sample(600)
    path = pack_in(tmp_path, objects, dictionary() if words else b"")
    pack = Pack(str(path))
    opened.append(pack)

    shuffled = random.Random(1).sample(objects, len(objects))
    assert [(o.kind, o.payload) for o in shuffled] == [pack.read(o.id) for o in shuffled]
    assert {(o.id, o.kind) for o in objects} == set(pack.ids())
    assert objects == list(pack.objects())
    assert len(objects) == pack.count
    assert pack.size == path.stat().st_size + path.with_suffix(".idx").stat().st_size


def test_what_is_not_in_the_pack_is_none(tmp_path: Path, opened: list[Pack]) -> None:
    objects = sample()
    pack = Pack(str(pack_in(tmp_path, objects)))
    opened.append(pack)

    for id in (bytes(32), b"\xff" * 32, objects[0].id[:31] + b"\0", objects[0].id[:5] + bytes(27)):
        assert pack.read(id) is None
        assert not pack.contains(id)


def test_ids_that_share_what_the_index_sorts_by_are_told_apart(tmp_path: Path, opened: list[Pack]) -> None:
    same = bytes(range(1, 6))
    objects = [NewObject(same + os.urandom(27), "blob", b"%d" % n) for n in range(20)]
    path = write_pack(str(tmp_path), [Group("blob", [o.id for o in objects])], [o.payload for o in objects])
    pack = Pack(path)
    opened.append(pack)

    assert [o.payload for o in objects] == [obj.payload for o in objects if (obj := pack.read(o.id))]
    assert sorted(o.id for o in objects) == sorted(pack.find("0102"))
    assert [objects[3].id] == pack.find(objects[3].id.hex()[:30])
    assert [] == pack.find("0102030406")
    assert pack.read(same + bytes(27)) is None


def test_one_object_and_none_make_a_pack(tmp_path: Path, opened: list[Pack]) -> None:
    for objects in ([], sample()[:1]):
        pack = Pack(str(pack_in(tmp_path, objects)))
        opened.append(pack)
        assert objects == list(pack.objects())


@given(
    st.lists(st.binary(max_size=80) | st.sampled_from([b"\xc4\x20" + bytes(32), b"\xc4\x20", b"\xc4" * 3]), max_size=12)
)
def test_folding_is_undone_exactly(parts: list[bytes]) -> None:
    ids = [bytes(32), b"\xc4\x20" * 16, b"\x01" * 32]
    payload = b"".join(parts) + b"\xc4\x20" + ids[1] + b"".join(parts) + b"\xc4\x20" + ids[2]

    folded = fold(payload, 7, {id: at for at, id in enumerate(ids)}.get)

    assert payload == unfold(folded, 7, ids.__getitem__)


@given(st.binary(max_size=60))
def test_unfolding_random_bytes_raises_only_what_it_says(data: bytes) -> None:
    def id_at(ordinal: int) -> ObjectId:
        if 0 <= ordinal < 3:
            return bytes(ID_SIZE)
        raise ObjectCorruptError("pack", "no such object")

    try:
        unfold(data, 1, id_at)
    except (ValueError, ObjectCorruptError):
        return


@pytest.fixture(params=[".pack", ".idx", "large .idx"])
def suffix(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The two files of a pack; an index is read at once where it is small, and else by first bytes."""
    if request.param == "large .idx":
        monkeypatch.setattr("tract.storage.pack_index._AT_ONCE", 0)
    return str(request.param).removeprefix("large ")


@pytest.mark.parametrize("words", [b"", "dictionary"])
def test_a_flipped_bit_is_seen_or_changes_nothing(tmp_path: Path, suffix: str, words: bytes | str) -> None:
    objects = sample(4)
    path = pack_in(tmp_path, objects, dictionary() if words else b"")
    file = path.with_suffix(suffix)
    data = file.read_bytes()
    ids, right = [o.id for o in objects], [(o.kind, o.payload) for o in objects]
    unseen = 0

    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1 << random.Random(at).randrange(8)
        file.write_bytes(damaged)
        try:
            assert right == read_all(path, ids)
            unseen += 1
        except TractError:
            continue

    # zstd has bits that mean nothing, a dictionary parts that these frames do not use; the seal, which fsck checks, covers them.
    # Of an index nobody reads the rows of what was found otherwise: what names an object mostly tells where it is.
    assert unseen <= (2200 if words and suffix == ".pack" else 20 if suffix == ".pack" else 24)


def test_a_file_cut_anywhere_is_seen(tmp_path: Path, suffix: str) -> None:
    objects = sample(4)
    path = pack_in(tmp_path, objects)
    file = path.with_suffix(suffix)
    data = file.read_bytes()

    for cut in range(len(data)):
        file.write_bytes(data[:cut])
        with pytest.raises(TractError):
            read_all(path, [o.id for o in objects])


@pytest.mark.parametrize("suffix", [".pack", ".idx"])
def test_another_version_is_refused_by_name(tmp_path: Path, suffix: str) -> None:
    path = pack_in(tmp_path, sample(2))
    file = path.with_suffix(suffix)
    data = file.read_bytes()
    version = data.index(b"\n") - 1
    file.write_bytes(data[:version] + b"7" + data[version + 1 :])

    with pytest.raises(FormatVersionError) as caught:
        Pack(str(path))
    assert "7" == caught.value.found


def test_the_index_of_another_pack_is_refused(tmp_path: Path) -> None:
    first = pack_in(tmp_path, sample(3))
    second = pack_in(tmp_path, sample(4))
    first.with_suffix(".idx").write_bytes(second.with_suffix(".idx").read_bytes())

    with pytest.raises(ObjectCorruptError, match="the index of another pack"):
        Pack(str(first))


def test_a_missing_half_is_not_found(tmp_path: Path) -> None:
    for suffix in (".pack", ".idx"):
        path = pack_in(tmp_path, sample(3))
        path.with_suffix(suffix).unlink()
        with pytest.raises(FileNotFoundError):
            Pack(str(path))


def test_failed_openings_leave_no_descriptor_open(tmp_path: Path) -> None:
    path = pack_in(tmp_path, sample(3))
    index = path.with_suffix(".idx")
    index.write_bytes(index.read_bytes()[:-1] + b"\0")
    before = len(os.listdir("/proc/self/fd"))

    for _ in range(5):
        with pytest.raises(ObjectCorruptError):
            Pack(str(path))

    assert before == len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("left", [0, 40, 4096, 20000])
def test_a_file_cut_while_it_is_open_is_damage_or_nothing_and_kills_nobody(
    tmp_path: Path, opened: list[Pack], suffix: str, left: int
) -> None:
    objects = sample(600)
    path = pack_in(tmp_path, objects)
    pack = Pack(str(path))
    opened.append(pack)
    os.chmod(path.with_suffix(suffix), 0o600)
    os.truncate(path.with_suffix(suffix), left)

    for new in objects:
        with suppress(ObjectCorruptError):
            assert Object(new.kind, new.payload) == pack.read(new.id)


def test_more_ids_than_are_kept_are_read_again(
    tmp_path: Path, opened: list[Pack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tract.storage.pack._KEPT_BLOCKS", 2)
    objects = sample(1100)
    pack = Pack(str(pack_in(tmp_path, objects)))
    opened.append(pack)

    assert [new.id for new in objects] * 2 == [pack.id_at(n) for n in (*range(len(objects)), *range(len(objects)))]


@names_descriptors
def test_of_a_large_index_only_the_rows_that_are_asked_for_are_read(
    tmp_path: Path, opened: list[Pack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tract.storage.pack_index._AT_ONCE", 0)
    objects = sample(3000)
    path = pack_in(tmp_path, objects)
    index = str(path.with_suffix(".idx"))
    read: list[int] = []
    real = os.pread

    def count(fd: int, size: int, offset: int) -> bytes:
        data = real(fd, size, offset)
        if os.readlink(f"/proc/self/fd/{fd}") == index:
            read.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", count)
    pack = Pack(str(path))
    opened.append(pack)

    assert sum(read) == 1080 + 1056  # of 50 KB
    assert pack.contains(objects[0].id)
    rows = sum(one.id[0] == objects[0].id[0] for one in objects)
    assert read[2:] == [8 * rows]
    assert pack.contains(objects[0].id)
    assert len(read) == 3


def test_an_index_that_damage_left_whole_is_told_from_one_that_it_did_not(tmp_path: Path) -> None:
    data = pack_in(tmp_path, sample(40)).with_suffix(".idx").read_bytes()

    assert is_whole(data)
    for at in range(0, len(data), 7):
        assert not is_whole(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    assert not any(is_whole(data[:cut]) for cut in range(0, len(data), 7))


@names_descriptors
@pytest.mark.parametrize("suffix", [".pack", ".idx"])
@pytest.mark.parametrize("call", ["pread", "fstat"])
def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, suffix: str) -> None:
    path = pack_in(tmp_path, sample(3)).with_suffix(suffix)
    real = getattr(os, call)

    def refuse(fd: int, *args: int) -> object:
        if os.readlink(f"/proc/self/fd/{fd}") == str(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(fd, *args)

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(OSError, match="Input/output") as caught:
        Pack(str(path.with_suffix(".pack")))

    assert str(path) == caught.value.filename


def test_an_index_has_the_ids_of_each_first_byte_in_order_however_many_share_one() -> None:
    shuffled = random.Random(7)
    ids = [bytes([first]) + shuffled.randbytes(31) for first in [3] * 9000 + [*range(256)] * 20 + [250] * 5000]
    shuffled.shuffle(ids)
    rows = b""
    for first in range(256):
        own = sorted((id, at) for at, id in enumerate(ids) if id[0] == first)
        rows += b"".join(id[4:0:-1] for id, _ in own) + b"".join(at.to_bytes(4, "little") for _, at in own)

    index = index_bytes(ids, bytes(32))

    assert rows == index[56 + 4 * 256 :][: 8 * len(ids)]
    assert is_whole(index)
