"""What a remote gives back: heads, packs and their indexes, listings' names, and addresses as people type them."""

from __future__ import annotations

import struct

from blake3 import blake3

from tests.fuzz.object_targets import sample_objects
from tests.fuzz.target import MSGPACK, Target
from tract.config.remote_config import RemoteConfig
from tract.errors import RemoteError
from tract.objects.model import new_blob
from tract.opening import memory_repository
from tract.remote.address import head_key, parse_address
from tract.remote.fetch import fetch
from tract.remote.finding import Asked
from tract.remote.head import Head, HeadNote, PackName, decode_head, encode_head
from tract.remote.intents import Wish, decode_intent, encode_intent
from tract.remote.link import Link
from tract.remote.packs import NewPack, decode_index, encode_pack, read_pack
from tract.remote.transport import MemoryTransport
from tract.storage.shallow import Cut
from tract.storage.zstd import compress_record, decompress
from tract.tree import Context

_ID = bytes([7]) * 32
_KEY = "v1/packs/ab/" + "ab" * 16
_HEAD = Head(
    tract="root",
    branch="main",
    gen=3,
    pushes=(b"p" * 16,),
    commit=_ID,
    by="ann",
    time=1_700_000_000_000_000,
    packs=(PackName(_KEY, 3, 900, 700, 5),),
    folded={"priority": Context(_ID, (_ID, _ID))},
    notes=(HeadNote("config", _ID, _ID),),
    cuts={_ID: Cut("parents", "2026-01-01")},
    refs={"refs/tags/v1": _ID, "refs/tags/gone": None},
    default="main",
    settings={"token_budget": 5},
)


def _wrapped(magic: bytes, body: bytes) -> bytes:
    data = magic + struct.pack("<I", len(body)) + compress_record(body)
    return data + blake3(data).digest()[:16]


def _head_of_body(body: bytes) -> None:
    encode_head(decode_head(_wrapped(b"tract head 1\n".ljust(16, b"\0"), body), "key"))


def _body_of(data: bytes, start: int) -> bytes:
    (length,) = struct.unpack_from("<I", data, start)
    return decompress(data[start + 4 : -16], length)


def _pack(data: bytes) -> None:
    at = int.from_bytes(data[:4], "little")
    list(read_pack(data[4:], min(at, len(data)), "key"))


def _packed() -> bytes:
    pack = encode_pack(sample_objects())
    return pack.index_at.to_bytes(4, "little") + pack.data


def _index_of_body(body: bytes) -> None:
    data = struct.pack("<I", len(body)) + compress_record(body)
    decode_index(data + blake3(data).digest()[:16], _small_pack().index_at, "key")


def _small_pack() -> NewPack:
    return encode_pack([new_blob({"content_type": "freeform", "payload": "x" * 300})])


def _index_body() -> bytes:
    pack = _small_pack()
    return _body_of(pack.data[pack.index_at :], 0)


def _head_there(body: bytes) -> None:
    """A head that anybody could have put there, fetched."""
    data = _wrapped(b"tract head 1\n".ljust(16, b"\0"), body)
    store = MemoryTransport()
    try:
        head = decode_head(data, "key")
        key = head_key(head.tract, head.branch)
    except UnicodeEncodeError as exc:
        raise RemoteError(str(exc)) from exc
    store.create(key, data)
    repo = memory_repository()
    link = Link(repo, RemoteConfig(name="origin", url="memory://x", conditions="if-match"), store)
    link.pause = lambda _: None  # type: ignore[method-assign]
    fetch(link, repo, Asked(None, as_clone=True))


def _intent() -> bytes:
    return encode_intent(b"i" * 16, [Wish({"content_type": "freeform", "payload": 1}, "ann", 5, None, {}, ())])


def _empty_head() -> bytes:
    return _body_of(encode_head(Head(tract="a b", branch="x/y", gen=1, by="ann")), 16)


TARGETS = (
    Target("remote head", lambda data: decode_head(data, "key"), lambda: (encode_head(_HEAD),)),
    Target("remote head's body", _head_of_body, lambda: (_body_of(encode_head(_HEAD), 16),), form=MSGPACK),
    Target("remote head, fetched", _head_there, lambda: (_empty_head(),), weight=4, form=MSGPACK),
    Target("remote pack", _pack, lambda: (_packed(),)),
    Target("remote pack's index", _index_of_body, lambda: (_index_body(),), form=MSGPACK),
    Target("remote intent", lambda data: decode_intent(data, "key"), lambda: (_intent(),)),
    Target(
        "remote address",
        lambda data: str(parse_address(data.decode("utf-8", "replace"))),
        lambda: (b"s3://bucket/path", b"file:///a/b", b"az://c", b"memory://x"),
    ),
)
