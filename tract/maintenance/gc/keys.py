"""Keys of commits whose history goes: said once more, of the commit behind which history then ends.

    a ── b ── c ── X ── d        X is a compression whose archive goes; b and c have keys
                   X ── d        the keys of b and c are notes about X now, each with the commit it stood at

So a branch that had a key in its history has it still (tract/history/keys.py). The old notes stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tract.history.notes import KEY, noted_entries
from tract.maintenance.gc.catalogue import REACHED
from tract.maintenance.gc.mark import Marker
from tract.objects.id import ObjectId
from tract.objects.model import Commit
from tract.objects.note import read_event
from tract.reflog import RENOTED
from tract.refs.names import NOTES, split_tract
from tract.repo import Repository
from tract.transaction import transaction


def keep_keys(repo: Repository, marker: Marker, ends: Iterable[tuple[ObjectId, Commit]]) -> None:
    """Say the keys of what lies behind *ends*, commits that stay and whose history goes, once more of these.

    Before anything goes. What is said of a commit that stays after all does no harm.
    """
    lists = [(name, tip) for name, tip in repo.refs.list() if split_tract(name)[1] == NOTES + KEY]
    lost: dict[ObjectId, list[ObjectId]] = {}
    if lists:
        for end, commit in ends:
            for id in _behind(marker, commit):
                lost.setdefault(id, []).append(end)
    for name, tip in lists if lost else ():
        assert isinstance(tip, bytes)
        own = replace(repo, prefix=split_tract(name)[0])
        said = [(target, blob) for target, blob in noted_entries(own, tip) if target in lost]
        if said:
            with transaction(own, RENOTED, moves="refs") as tx:
                for target, blob in said:
                    body = read_event(blob, own.blob(blob)).body
                    for end in lost[target]:
                        tx.note(KEY, end, {"key": body["key"], "was": body.get("was", target.hex())})


def _behind(marker: Marker, commit: Commit) -> list[ObjectId]:
    """The commits behind *commit* that do not stay with their history."""
    catalogue = marker.catalogue
    found: list[ObjectId] = []
    seen: set[int] = set()
    waiting = [catalogue.number_of(parent) for parent in commit.parents]
    while waiting:
        number = waiting.pop()
        if number is not None and number not in seen and marker.mark_of(number) != REACHED:
            seen.add(number)
            found.append(catalogue.id_of(number))
            waiting += [catalogue.number_of(parent) for parent in marker.commit(number).parents]
    return found
