"""Buckets: S3, Google Cloud Storage and Azure Blob, and stores that speak their protocols, through obstore.

Credentials come from where each provider's own tools take them: the environment, profiles, the machine's role.
None is stored, and none appears in an error: a store's message is cut to its first line, without anything like a query.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from tract.config.remote_config import Conditions
from tract.errors import RemoteAuthError, RemoteError
from tract.remote.address import Address
from tract.remote.transport import UNCHANGED, Listed, Stored, Unchanged

_T = TypeVar("_T")
_QUERY = re.compile(r"\?\S*|(?i:authorization|signature|token|credential|secret|key)\s*[:=]\s*\S+")
_LONGEST = 200
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|bucket does not exist|container does not exist", re.IGNORECASE)
_DENIED = re.compile(r"\b(401|403)\b|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|credential", re.IGNORECASE)

# A listing of a million keys comes in pages, and the first must not wait for the last.
_PAGE = 1000
_ENVIRONMENTS = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}


class BucketTransport:
    """The keys under a path of a bucket. With *bare*, versions are sent without the quotes in which they come: some stores want that."""

    def __init__(self, store: Any, path: str, shown: str, *, bare: bool = False) -> None:
        import obstore  # 30 ms, and only those with a bucket need it

        self._obs = obstore
        self._store = store
        self._start = f"{path}/" if path else ""
        self._shown = shown
        self._bare = bare

    def get(self, key: str, *, unless: str | None = None) -> Stored | Unchanged | None:
        options: dict[str, Any] = {} if unless is None else {"if_none_match": self._sent(unless)}

        def ask() -> Stored | Unchanged | None:
            try:
                found = self._obs.get(self._store, self._start + key, options=options or None)
                data = bytes(found.bytes())
            except self._obs.exceptions.NotModifiedError:
                return UNCHANGED
            except (self._obs.exceptions.NotFoundError, FileNotFoundError) as exc:
                self._missing(exc)
                return None
            if len(data) != found.meta["size"]:
                raise RemoteError(f"'{self._shown}/{key}': {len(data)} bytes arrived instead of {found.meta['size']}")
            return Stored(data, found.meta.get("e_tag") or "")

        return self._asked(key, ask)

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        def ask() -> bytes | None:
            try:
                return bytes(self._obs.get_range(self._store, self._start + key, start=start, length=length))
            except (self._obs.exceptions.NotFoundError, FileNotFoundError) as exc:
                self._missing(exc)
                return None

        return self._asked(key, ask)

    def put(self, key: str, data: bytes) -> None:
        self._put(key, data, "overwrite")

    def create(self, key: str, data: bytes) -> str | None:
        return self._put(key, data, "create")

    def swap(self, key: str, data: bytes, version: str) -> str | None:
        # The ``version`` that a put returns may be None, and must then not be passed back: so only the ETag is.
        return self._put(key, data, {"e_tag": self._sent(version)})

    def _put(self, key: str, data: bytes, mode: Any) -> str | None:
        def ask() -> str | None:
            errors = self._obs.exceptions
            try:
                found = self._obs.put(self._store, self._start + key, data, mode=mode, use_multipart=False)
            except (errors.AlreadyExistsError, errors.PreconditionError, FileExistsError):
                return None
            except (errors.NotFoundError, FileNotFoundError) as exc:
                # A swap of a missing key is answered like this; any other put only if the bucket is missing.
                self._missing(exc, is_expected=isinstance(mode, dict))
                return None
            return found.get("e_tag") or ""

        return self._asked(key, ask, landed=None)

    def list(self, prefix: str, after: str = "") -> Iterator[Listed]:
        pages = self._obs.list(
            self._store,
            self._start + prefix.rstrip("/"),
            offset=self._start + after if after else None,
            chunk_size=_PAGE,
        )
        while True:
            page = self._asked(prefix, lambda: next(pages, None))
            if page is None:
                return
            for one in page:
                key = one["path"].removeprefix(self._start)
                yield Listed(key, one["size"], one.get("e_tag") or "", one["last_modified"].timestamp())

    def delete(self, key: str) -> None:
        def ask() -> None:
            try:
                self._obs.delete(self._store, self._start + key)
            except (self._obs.exceptions.NotFoundError, FileNotFoundError):
                return

        self._asked(key, ask, landed=None)

    def _missing(self, exc: Exception, *, is_expected: bool = True) -> None:
        """Return None for a missing key; raise RemoteError if the bucket itself is missing."""
        if not is_expected or _NO_BUCKET.search(str(exc)):
            raise RemoteError(f"'{self._shown}' cannot be reached: its bucket does not exist") from None

    def _sent(self, version: str) -> str:
        return version.strip('"') if self._bare else version

    def _asked(self, key: str, ask: Callable[[], _T], *, landed: bool | None = False) -> _T:
        """Return the result of *ask*; an error of the library becomes a RemoteError, with *landed* for a write."""
        try:
            return ask()
        except RemoteError:
            raise
        except Exception as exc:  # noqa: BLE001  # the library's errors have no base of their own beside BaseError
            raise self._error(key, exc, landed) from None

    def _error(self, key: str, exc: Exception, landed: bool | None) -> RemoteError:
        errors = self._obs.exceptions
        text = plain_text(exc)
        where = f"'{self._shown}/{key}'" if key else f"'{self._shown}'"
        is_refusal = isinstance(exc, errors.UnauthenticatedError | errors.PermissionDeniedError | PermissionError)
        if is_refusal or (isinstance(exc, errors.GenericError) and _DENIED.search(text)):
            return RemoteAuthError(f"{where} refuses the credentials: {text}")
        return RemoteError(f"{where}: {text}", landed=landed)


def plain_text(exc: Exception) -> str:
    """The text of a library's error, on one line and without what may be a secret."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    first = lines[0] if lines else type(exc).__name__
    return "".join(c for c in _QUERY.sub("…", first) if c.isprintable())[:_LONGEST]


def open_bucket(
    address: Address, options: Mapping[str, str], *, timeout: float, conditions: Conditions | None
) -> BucketTransport:
    """Open the transport to a bucket; RemoteError if obstore is not installed or refuses an option."""
    try:
        from obstore import store as stores
    except ImportError:
        raise RemoteError(f"'{address}' needs obstore, which is in the extra 'tract-ai[remote]'") from None
    seconds = timedelta(seconds=timeout)
    client: Any = {"timeout": seconds, "connect_timeout": seconds}
    config: Any = dict(options)
    given = os.environ.get(f"{_ENVIRONMENTS[address.scheme]}_ALLOW_HTTP", "")
    if config.pop("allow_http", given).lower() in ("1", "true", "yes"):
        client["allow_http"] = True
    retries: Any = {
        "max_retries": 4,
        "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
        "retry_timeout": seconds,
    }
    try:
        store: Any
        if address.scheme == "s3":
            store = stores.S3Store(address.place, config=config, client_options=client, retry_config=retries)
        elif address.scheme == "gs":
            store = stores.GCSStore(address.place, config=config, client_options=client, retry_config=retries)
        else:
            store = stores.AzureStore(
                container_name=address.place, config=config, client_options=client, retry_config=retries
            )
    except Exception as exc:  # noqa: BLE001  # a configuration that the library refuses; it may name values
        raise RemoteError(f"'{address}' cannot be opened: {plain_text(exc)}") from None
    return BucketTransport(store, address.path, str(address), bare=conditions == "if-match-bare")
