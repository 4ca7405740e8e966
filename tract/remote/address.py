"""The address of a remote, and the keys of its parts.

    <root>/v1/remote                                  what the remote is: format, id
    <root>/v1/tracts/<hh>/<tract>/heads/<branch>      heads: the only keys that change
    <root>/v1/tracts/<hh>/<tract>/meta                what of a tract belongs to no branch
    <root>/v1/tracts/<hh>/<tract>/intents/<branch>/…  messages that wait to be appended to a branch
    <root>/v1/packs/<hh>/<32 digits>                  packs: written once under a name that is never used again
    <root>/v1/gc/…                                    a collector's lease, and the packs it condemned

``<hh>`` are two hexadecimal digits of a hash, for stores that divide their keys by their beginnings.
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from blake3 import blake3

from tract.config.remote_config import RemoteConfig
from tract.errors import ConfigError
from tract.named_tuple import NamedTuple

ROOT = "v1/"
MARKER = ROOT + "remote"
TRACTS = ROOT + "tracts/"
PACKS = ROOT + "packs/"
GC = ROOT + "gc/"
PROBES = ROOT + "probe/"
INTENTS = "/intents/"
"""A part of the keys of intents beside a head (tract/remote/intents.py), and of no other key."""

LINKS = "refs/archive/"
"""The refs between a tract and the tracts spawned from it; they and tags are the refs that are pushed without a branch."""

SCHEMES = ("file", "memory", "s3", "gs", "az")
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_.")
_LONGEST_PART = 120
_SHOWN_OF_LONG = 80
_PACK = re.compile(rf"{PACKS}[0-9a-f]{{2}}/[0-9a-f]{{32}}")


class Address(NamedTuple):
    """A remote's address. For ``file`` *place* is an absolute path and *path* is empty; else *place* is a bucket or container."""

    scheme: str
    place: str
    path: str

    def __str__(self) -> str:
        if self.scheme == "file":
            return f"file://{self.place}"
        return f"{self.scheme}://{self.place}{f'/{self.path}' if self.path else ''}"


def parse_address(url: str | os.PathLike[str]) -> Address:
    """Parse the address *url*: ``s3://bucket/path``, ``gs://``, ``az://``, ``memory://name``, ``file:///folder``, or a path.

    ConfigError for anything else, and for a user, a password or a query: secrets do not belong in an address.
    """
    url = os.fspath(url) if isinstance(url, os.PathLike) else url
    if not isinstance(url, str):
        raise ConfigError(f"{url!r:.80} is not an address: it is not a text")
    if "://" not in url:
        if not url or url.startswith("-") or "\0" in url:
            raise ConfigError(f"{url!r:.80} is not an address")
        return Address("file", os.path.abspath(os.path.expanduser(url)), "")
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ConfigError(f"'{parts.scheme}://' is not a scheme of a remote; known are {', '.join(SCHEMES)}")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            f"the address '{parts.scheme}://…' has a user, a query or a fragment, which may contain secrets"
        )
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise ConfigError(f"{url!r:.80} is not the address of a folder: file:///absolute/path")
        return Address("file", os.path.normpath(parts.path), "")
    path = parts.path.strip("/")
    if not parts.netloc or any(part in ("", ".", "..") for part in path.split("/") if path):
        raise ConfigError(f"{url!r:.80} is not an address: {parts.scheme}://bucket/path")
    return Address(parts.scheme, parts.netloc, path)


def scans(remote: RemoteConfig) -> bool:
    """True if pushes to *remote* look for secrets."""
    return parse_address(remote.url).scheme not in ("file", "memory") if remote.scan is None else remote.scan


def key_part(text: str) -> str:
    """*text* as a part of a key, without characters that are special to a file system, a URL or a store; no two texts have the same part.

    Bytes except ``a-z 0-9 - _ .`` are ``=`` and two digits; a long part is cut, and ends in ``==`` and a hash.
    """
    data = text.encode()
    part = "".join(chr(byte) if byte in _PLAIN else f"={byte:02x}" for byte in data)
    if part[:1] in ("-", "."):
        part = f"={data[0]:02x}{part[1:]}"
    if part.endswith((".", ".lock", ".tmp")):
        part = "=2e".join(part.rsplit(".", 1))
    if len(part) > _LONGEST_PART:
        part = f"{part[:_SHOWN_OF_LONG]}=={blake3(data).hexdigest()[:32]}"
    return part


def part_name(part: str) -> str | None:
    """The text that *part* stands for; None if it was cut, so that only a head has it."""
    if "==" in part:
        return None
    head, *escaped = part.split("=")
    try:
        data = head.encode("ascii")
        for one in escaped:
            data += bytes.fromhex(one[:2]) + one[2:].encode("ascii")
        name = data.decode()
    except ValueError:
        return None
    return name if key_part(name) == part else None


def tract_key(tract: str) -> str:
    """The beginning of the keys of the tract *tract*."""
    return f"{TRACTS}{blake3(tract.encode()).hexdigest()[:2]}/{key_part(tract)}/"


def head_key(tract: str, branch: str | None) -> str:
    """The key of a branch's head; None stands for the head of what belongs to no branch."""
    return tract_key(tract) + ("meta" if branch is None else f"heads/{key_part(branch)}")


def new_pack_key() -> str:
    """A key for a pack that no other pack had or will have."""
    name = os.urandom(16).hex()
    return f"{PACKS}{name[:2]}/{name}"


def is_pack_key(key: str) -> bool:
    """True if *key* has the form of a pack's key."""
    return _PACK.fullmatch(key) is not None
