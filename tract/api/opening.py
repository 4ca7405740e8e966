"""Opening: from what the user names to a repository; if that fails, nothing is left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tract.config import TractConfig, check_config
from tract.dataclass import replace
from tract.errors import ConfigError, NotARepositoryError
from tract.opening import (
    checked_author,
    create_repository,
    find_repository,
    memory_repository,
    open_repository,
    store_path,
)
from tract.refs.names import branch_ref, tract_prefix
from tract.repo import Repository
from tract.storage.files import as_storage_error, is_there
from tract.storage.store import Durability
from tract.tokens.counter import TokenCounter, check_counter, counter_named

if TYPE_CHECKING:
    from pathlib import Path


def check_before_creating(
    tract: str | None,
    config: TractConfig | None,
    tokenizer: TokenCounter | None,
    durability: Durability,
    branch: str | None = None,
    *,
    author: str | None = None,
) -> None:
    """Refuse arguments with which a store could not be opened, before a folder or a setting is written."""
    if branch is not None:
        branch_ref(branch)
    if author is not None:
        checked_author(author)
    if tract is not None:
        tract_prefix(tract)
    if durability not in ("full", "process"):
        raise ConfigError(f"durability must be 'full' or 'process', not {durability!r}")
    if config is not None:
        check_config(config)
    if tokenizer is not None:
        check_counter(tokenizer)
    elif config is not None:
        counter_named(config.tokenizer_encoding)


def open_or_create(
    path: str | Path | None,
    tract: str | None,
    config: TractConfig | None,
    durability: Durability,
    *,
    author: str | None = None,
    read_only: bool = False,
) -> Repository:
    """The repository in folder *path*, created if there is none, unless *read_only*; see ``Tract.open``."""
    if path == ":memory:":
        if read_only:
            raise ConfigError("a store in memory cannot be opened read-only: there is nothing in it")
        repo = memory_repository(tract=tract, config=config)
        return repo if author is None else replace(repo, author=checked_author(author), is_author_given=True)
    _check_path(path)
    store = find_repository(os.getcwd()) if path is None else store_path(os.fsdecode(path))
    if store is None:
        store = store_path(os.getcwd())
    if not read_only and not is_there(store):
        create_repository(store, config or TractConfig())
    return open_repository(store, tract=tract, config=config, durability=durability, author=author, read_only=read_only)


def _check_path(path: str | Path | None) -> None:
    """NotARepositoryError for a value that cannot be the path of a folder."""
    problem = None
    if path is not None and not isinstance(path, (str, bytes, os.PathLike)):
        problem = f"a path is a text, not {type(path).__name__}"
    elif path is not None:
        try:
            text = os.fsencode(path)
            problem = "it is empty" if not text else "it has a NUL in it" if b"\0" in text else None
        except UnicodeEncodeError:
            problem = "it is not a text that a file system takes"
    if problem is not None:
        raise NotARepositoryError(f"{path!r} is not a folder: {problem}")


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raise operating-system errors, such as too many open files, as errors of the store."""
    try:
        yield
    except OSError as exc:
        raise as_storage_error(exc) from exc


def check_is_opened(cls: type[object], given: tuple[object, ...]) -> None:
    """Raise TypeError, with the call to use instead, if *cls* itself was called."""
    if not given or not isinstance(given[0], Repository):
        raise TypeError(f"{cls.__name__}.open(path) opens or makes a store; {cls.__name__}(…) itself takes no path")
