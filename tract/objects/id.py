"""Object ids.

An id is the BLAKE3-256 digest of ``"<kind> <length>\\0"`` followed by the payload; *length* is the payload's length in bytes, in decimal.
The kind is part of the hash, so a blob can never be taken for a commit.
In memory and inside objects an id is 32 bytes; everywhere a person sees it, 64 hexadecimal digits.
"""

from __future__ import annotations

from blake3 import blake3

from tract.annotations import Literal, TypeAlias

ObjectId: TypeAlias = bytes
Kind: TypeAlias = Literal["blob", "tree", "commit", "operation"]

KINDS: tuple[Kind, ...] = ("blob", "tree", "commit", "operation")
ID_SIZE = 32
HEX_SIZE = 64

_HEADS = {kind: b"%s %%d\0%%s" % kind.encode() for kind in KINDS}
_HEX_DIGITS = frozenset("0123456789abcdef")


def object_id(kind: Kind, payload: bytes) -> ObjectId:
    """The id of *payload* as an object of *kind*."""
    return blake3(_HEADS[kind] % (len(payload), payload)).digest()


def is_hex(text: str) -> bool:
    """True if *text* has only lower-case hexadecimal digits."""
    return _HEX_DIGITS.issuperset(text)


def parse_id(text: str) -> ObjectId | None:
    """Return the id that 64 lower-case hexadecimal digits spell; None if *text* is anything else."""
    if len(text) == HEX_SIZE and is_hex(text):
        return bytes.fromhex(text)
    return None
