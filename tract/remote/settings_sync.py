"""Settings between a tract and its remote: a change on one side since both were equal is brought to the other, key by key.

    base     as both had them last (cache/remote-<name>-settings-…)
    here     changed here since: goes with the next push
    there    changed there since: comes with the next fetch; if both changed a key, the value here counts

A store that never had the remote's settings takes none from it, and changes none there.
Settings about this machine's disk and memory are not shared: no other machine decides what gc drops here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from blake3 import blake3

from tract.config import TractConfig, from_table, to_table
from tract.dataclass import fields, replace
from tract.errors import ConfigError, ContentValidationError
from tract.history.tracts import CONFIG_FILE, change_settings, own_settings, settings_in, write_settings
from tract.objects.codec import decode, encode
from tract.remote.link import Link
from tract.repo import Repository
from tract.settings import read_config

Table = Mapping[str, Any]

_OWN = frozenset(
    (
        *("author", "remotes", "default_branch", "compile_cache_maxsize"),
        *("orphan_retention_days", "archive_retention_days", "keep_pinned", "keep_merge_bases"),
    )
)
_KNOWN = frozenset(one.name for one in fields(TractConfig) if one.init) | {"budget_action"}


def settings_here(repo: Repository) -> dict[str, Any]:
    """The settings of a tract in the form in which they are sent to a remote."""
    config = settings_in(repo)
    if repo.path is not None and not repo.prefix:
        config = read_config(
            os.path.join(repo.path, CONFIG_FILE)
        )  # others may have changed them since this store was opened
    return dict(to_table(replace(config, remotes=(), author=None)))


def settings_to_push(link: Link, repo: Repository, there: Table | None) -> dict[str, Any] | None:
    """The settings for the remote, whose present ones are *there*, with the changes made here since both were equal."""
    here = settings_here(repo)
    if there is None:
        return here or None
    base = _base(link, repo.tract)
    if base is None:
        return dict(there)
    return _joined(base, here | {key: value for key, value in there.items() if key not in _KNOWN}, there)


def settings_pushed(link: Link, repo: Repository, there: Table | None) -> None:
    """Record that the remote has *there*, if these are the settings here."""
    if dict(there or {}) == settings_here(repo):
        _keep_base(link, repo.tract, there or {})


def take_settings(link: Link, repo: Repository, there: Table | None) -> None:
    """Take over the settings changed there since both were equal. For the holder of the store's lock."""
    here, base = settings_here(repo), _base(link, repo.tract)
    known = {key: value for key, value in (there or {}).items() if key in _KNOWN}
    if base is None:
        settings_pushed(link, repo, there)
        return
    new = _joined({key: value for key, value in base.items() if key in _KNOWN}, here, known)
    new = {key: value for key, value in new.items() if key not in _OWN}
    new |= {key: value for key, value in here.items() if key in _OWN}
    if new != here:
        with suppress(ConfigError):  # the value of a later version of tract
            _write(repo, from_table(new))
    _keep_base(link, repo.tract, there or {})


def begin_settings(link: Link, repo: Repository, there: Table | None, *, is_new: bool) -> None:
    """Give their settings to a new clone, and to a tract that is new here."""
    known = {key: value for key, value in (there or {}).items() if key in _KNOWN}
    with suppress(ConfigError):  # the value of a later version of tract
        if known and is_new and repo.prefix:
            write_settings(repo, repo.prefix, from_table(known))
        elif known and not repo.prefix:
            _write(repo, from_table(known))
    _keep_base(link, repo.tract, there or {})


def _write(repo: Repository, settings: TractConfig) -> None:
    own = own_settings(repo, repo.prefix)
    if repo.path is not None and not repo.prefix:
        own = read_config(os.path.join(repo.path, CONFIG_FILE))
    author, remotes = (None, ()) if own is None else (own.author, own.remotes)
    change_settings(repo, repo.prefix, replace(settings, author=author, remotes=remotes))


def _joined(base: Table, here: Table, there: Table) -> dict[str, Any]:
    """Each key from the side that changed it; from here if both did."""
    found: dict[str, Any] = {}
    for key in {**there, **here}:
        side = here if here.get(key) != base.get(key) else there
        if key in side:
            found[key] = side[key]
    return found


def _name(link: Link, tract: str) -> str:
    return f"remote-{link.name}-settings-{blake3(f'{link.remote.url} {tract}'.encode()).hexdigest()[:32]}"


def _base(link: Link, tract: str) -> dict[str, Any] | None:
    data = link.recall(_name(link, tract))
    if data is not None:
        with suppress(ContentValidationError):
            value = decode(data)
            return value if type(value) is dict else None
    return None


def _keep_base(link: Link, tract: str, table: Table) -> None:
    link.keep(_name(link, tract), encode(dict(table)))
