"""Where the tests of remotes keep theirs: in memory and in a folder, or all of them where ``TRACT_REMOTE_URL`` says.

    TRACT_REMOTE_URL=s3://bucket AWS_ENDPOINT_URL=… AWS_ACCESS_KEY_ID=… pytest tests/remote

``scripts/test-remotes`` starts servers, and runs the tests with that.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

from tests.making import Words, make_tract
from tract import Tract
from tract.config.remote_config import Conditions, RemoteConfig
from tract.remote.fetch import fetch
from tract.remote.finding import Asked
from tract.remote.link import Link, open_transport
from tract.remote.probe import probe
from tract.remote.sync import Sync
from tract.remote.transport import MemoryTransport, Transport

BASE = os.environ.get("TRACT_REMOTE_URL", "").rstrip("/")
REMOTE = RemoteConfig(name="origin", url="memory://x", conditions="if-match", timeout=20)
"""A remote that nobody needs to probe, for stores that a test makes itself."""


def new_url() -> str:
    """An address under the one that the environment names, where nothing is yet."""
    return f"{BASE}/{os.urandom(8).hex()}"


def new_store() -> Transport:
    """A store where nothing is yet."""
    if not BASE:
        return MemoryTransport()
    return open_transport(RemoteConfig(name="origin", url=new_url(), conditions=_conditions()))


@cache
def _conditions() -> Conditions:
    return probe(RemoteConfig(name="origin", url=new_url()))


def keys_of(store: Transport) -> dict[str, bytes]:
    """All that a store has."""
    found = {one.key: store.get(one.key) for one in store.list("v1/")}
    return {key: one.data for key, one in found.items() if hasattr(one, "data")}


def change(store: Transport, key: str, data: bytes | None) -> None:
    """Put *data* under *key* whatever is there; None takes it away."""
    if data is None:
        store.delete(key)
    else:
        store.put(key, data)


def living(
    path: Path, store: Transport, *, on_moved: Any = "append", remote: RemoteConfig = REMOTE, **options: Any
) -> Tract:
    """A tract at *path* whose commits return when *store* has them."""
    t = Tract.open(path, durability="process", tokenizer=Words(), on_moved=on_moved, **options)
    t._sync = Sync(t.repository, Link(t.repository, remote, store), "commit", t._lock)
    t._sync.refresh(t.repository)
    return t


def there(store: Transport) -> Tract:
    """What *store* has, as a clone sees it."""
    t = make_tract()
    fetch(Link(t.repository, REMOTE, store), t.repository, Asked(None, as_clone=True))
    return t
