"""Where the tests of remotes keep theirs: in memory and in a folder, or all of them where ``TRACT_REMOTE_URL`` says.

    TRACT_REMOTE_URL=s3://bucket AWS_ENDPOINT_URL=… AWS_ACCESS_KEY_ID=… pytest tests/remote

``scripts/test-remotes`` starts servers, and runs the tests with that.
"""

from __future__ import annotations

import os
from functools import cache

from tract.config import Conditions, RemoteConfig
from tract.remote.link import open_transport
from tract.remote.probe import probe
from tract.remote.transport import MemoryTransport, Transport

BASE = os.environ.get("TRACT_REMOTE_URL", "").rstrip("/")


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
