"""What tract finds in a store, as JSON: the answers beside the sample store of docs/format.md."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from tract import Session, Tract
from tract.history.context import context_at, entries
from tract.history.notes import NoteTable, note_tip
from tract.history.records import records_behind, refs_of
from tract.history.walk import ancestors
from tract.objects.id import ObjectId
from tract.refs.names import HEADS, NOTES, TRACTS
from tract.repo import Repository


def expected(store: Path) -> dict[str, Any]:
    """The answers for the store whose files are in the folder *store*."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(store, Path(folder) / ".tract")
        return {"format": 2, "tracts": {name: _tract(folder, name) for name in _names(folder)}}


def _names(folder: str) -> list[str]:
    with Session.open(folder) as session:
        return [one.tract_id for one in session.list_tracts()]


def _tract(folder: str, name: str) -> dict[str, Any]:
    with Tract.open(folder, tract_id=name) as t:
        repo = t.repository
        refs = {
            ref: value.hex() if isinstance(value, bytes) else value
            for ref, value in repo.local_refs("")
            if not ref.startswith(TRACTS)
        }
        notes = {
            ref.removeprefix(NOTES): _notes(repo, ref.removeprefix(NOTES)) for ref in refs if ref.startswith(NOTES)
        }
        branches = {}
        for ref in refs:
            if ref.startswith(HEADS):
                tip = bytes.fromhex(refs[ref])
                branches[ref.removeprefix(HEADS)] = _branch(t, repo, tip)
        return {"refs": refs, "notes": notes, "branches": branches}


def _notes(repo: Repository, namespace: str) -> dict[str, Any]:
    table = NoteTable()
    table.advance(repo, note_tip(repo, namespace))
    return {target.hex(): table.get(repo, target) for target in sorted(table.targets())}


def _branch(t: Tract, repo: Repository, tip: ObjectId) -> dict[str, Any]:
    compiled = t.compile(at_commit=tip.hex())
    told = [message for message in compiled.messages if not message.is_thought]
    # As they are there to be sent; what a provider would refuse of them is mended in a request.
    chat = [message.raw for message in told if message.format == "openai"]
    return {
        "log": [_row(repo, id) for id, _ in ancestors(repo, [tip])],
        "context": [
            {"commit": commit.hex(), "blob": blob.hex()} for commit, blob in entries(repo, context_at(repo, tip))
        ],
        "shown": list(compiled.commit_hashes),
        "openai": chat if len(chat) == len(told) else None,
        "records": [
            {"commit": id.hex(), "refs": list(refs_of(repo, commit))} for id, commit in records_behind(repo, [tip])
        ],
    }


def _row(repo: Repository, id: ObjectId) -> dict[str, Any]:
    commit = repo.commit(id)
    return {
        "id": id.hex(),
        "operation": str(commit.operation),
        "parents": [parent.hex() for parent in commit.parents],
        "generation": commit.generation,
        "time": commit.time,
        "author": commit.author,
        "message": commit.message,
        "metadata": commit.metadata,
    }
