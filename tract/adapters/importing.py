"""Importing: conversations read from a file become commits.

    conversation   its main line, lines that share its beginning, and the conversations of its agents
    place          a branch for each line; a line's branch begins where it leaves the line it shares turns with
    agents         each a child of the tract, linked to the call that began it

A conversation lands whole, or not at all; those of a file land together, in one operation for as many as a batch may hold.
Existing branches and tracts are not touched: a new one whose name is taken gets a number.
If a conversation's messages have keys and a branch has them, it continues there, and only new messages are written.
"""

from __future__ import annotations

import os
from functools import partial

from tract.adapters.lines import ImportedBranch, LineWriter, Refused
from tract.adapters.transcripts.conversations import Branch, Child, Conversation
from tract.annotations import TYPE_CHECKING, Any, Literal, TypeAlias
from tract.dataclass import replace
from tract.errors import ImportFormatError
from tract.history.batch import Batch
from tract.history.branch import cleaned_name, free_branch_name, taken_branch_names
from tract.history.tracts import CONFIG_FILE, in_tract, settings_in
from tract.named_tuple import NamedTuple
from tract.objects.collector import without_collections
from tract.objects.id import ObjectId
from tract.refs.names import HEAD, HEADS, SPAWN_REF, branch_ref, tract_prefix
from tract.refs.ref_files import make_tract_folder
from tract.repo import Repository
from tract.transaction import transaction
from tract.tree import EMPTY

if TYPE_CHECKING:
    from tract.tokens.counts import BlobCache

__all__ = ["ImportResult", "ImportedBranch", "Importer", "Place", "Refused", "import_conversation", "import_file"]

Place: TypeAlias = Literal["here", "branch", "tract"]
"""The place of a conversation's main line: the current branch, a new branch, or a new tract of the store."""


_MOST_TOGETHER = 1000
"""The most conversations that land in one operation."""

_MOST_OBJECTS = 50_000
"""The most objects that wait for it, give or take those of one conversation."""

_UNTITLED = Conversation("", ())
"""Stands for a conversation that names no tract."""


class ImportResult(NamedTuple):
    """The result of importing a conversation.

    *wanted* is the name that was asked for; the actual branch or tract has another name if that was taken, or if another one already has the conversation.
    *children* are the tracts of its sub-agents.
    """

    wanted: str
    tract: str
    branches: tuple[ImportedBranch, ...]
    refused: tuple[Refused, ...]
    children: tuple[str, ...] = ()

    @property
    def messages(self) -> int:
        """The number of messages committed, without those of agents."""
        return sum(branch.messages for branch in self.branches)


def import_conversation(
    repo: Repository, conversation: Conversation, *, place: Place = "branch", name: str | None = None
) -> ImportResult:
    """Commit every line of *conversation*, as an :class:`Importer` does."""
    importer = Importer(repo)
    result = importer.take(conversation, place=place, name=name)
    importer.finish()
    return result


def import_file(
    repo: Repository,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    key: str | None = None,
    place: Place | None = None,
    name: str | None = None,
) -> ImportResult:
    """Import every conversation of the file *path*, in one result: their branches, and as ``refused`` every part that could not be read or stored.

    Without *place*, a single conversation goes to the current branch if that is empty, else each gets a branch of its own.
    ImportFormatError for a file without a conversation.
    """
    with without_collections():  # its end looks at all that is left
        return _import_file(repo, path, format=format, key=key, place=place, name=name)


def _import_file(
    repo: Repository,
    path: str | os.PathLike[str],
    *,
    format: str | None,
    key: str | None,
    place: Place | None,
    name: str | None,
) -> ImportResult:
    from tract.adapters.transcripts.reader import read_transcript  # what is under way is read by one format's reader

    reading = read_transcript(path, format=format, key=key)
    importer = Importer(repo, count=False)
    many = len(reading.conversations) > 1
    results: list[ImportResult] = []
    for number, conversation in enumerate(reading.conversations, 1):
        wanted = f"{name}-{number}" if name and many else name
        here: Place = "here" if not many and name is None and repo.head()[1] is None and repo.head()[0] else "branch"
        results.append(importer.take(conversation, place=place or here, name=wanted, lands=False))
        if importer.is_full:
            importer.land()
    importer.finish()
    told = tuple(Refused(problem.line, problem.detail) for problem in reading.problems)
    if not results:
        why = "; ".join(one.detail for one in told[:3]) or "there is no conversation in it"
        raise ImportFormatError(f"'{path}': {why}", os.fspath(path))
    return ImportResult(
        results[0].wanted,
        results[0].tract,
        tuple(branch for result in results for branch in result.branches),
        (*told, *(refused for result in results for refused in result.refused)),
        tuple(child for result in results for child in result.children),
    )


class Importer:
    """Imports conversations one after the other; a count once made is not looked up again.

    With *count*, tokens are counted on the way, so that a later reader has exact figures; ``finish`` writes the last of them.
    Without it, tokens are counted on demand, except those that recorded usage needs.
    """

    def __init__(self, repo: Repository, *, count: bool = True) -> None:
        self._repo = repo
        self._blobs = _counted(repo) if count else None
        self._batch: Batch | None = None
        self._taken: set[str] = set()
        self._waiting: list[tuple[Repository, Conversation]] = []
        """The waiting conversations, each with the tract to be named after it."""

    def take(
        self, conversation: Conversation, *, place: Place = "branch", name: str | None = None, lands: bool = True
    ) -> ImportResult:
        """Commit every line of *conversation*, all in one operation.

        The main line's branch or tract is called *name*, or by default the conversation's own name; the other lines are branches named after it.
        HEAD does not move, so with *place* ``here`` the current branch grows.
        A message that cannot be stored is left out and listed in ``refused``.
        Its title and the program's id for it become the display name of a tract that has nothing else; on a branch they are in the first commit's metadata.

        Without *lands*, it lands together with others in one operation, when ``land`` or ``finish`` is called; before that it is not visible, and if that call raises it is not stored.
        """
        batch = self._begun()
        with batch.part(), without_collections():
            result, repo = self._write(batch, conversation, place, conversation.name if name is None else name)
        self._waiting.append((repo, conversation) if place != "branch" else (self._repo, _UNTITLED))
        if lands:
            self.land(f"import: {conversation.name[:72]}")
        return result

    @property
    def is_full(self) -> bool:
        """Whether enough waits that it should land."""
        batch = self._batch
        return batch is not None and (len(self._waiting) >= _MOST_TOGETHER or batch.held_back > _MOST_OBJECTS)

    def land(self, reason: str | None = None) -> None:
        """Write the waiting conversations, in one operation; if that raises, nothing of them is stored."""
        batch, waiting = self._batch, self._waiting
        self._batch, self._waiting = None, []
        if batch is None or not waiting:
            return
        with without_collections():
            batch.land(reason=reason or f"import: {len(waiting)} conversation{'s' if len(waiting) > 1 else ''}")
        for repo, conversation in waiting:
            if conversation is not _UNTITLED:
                call_tract(repo, conversation)

    def finish(self) -> None:
        """Write the waiting conversations, and the counts not yet on disk."""
        self.land()
        if self._blobs is not None:
            self._blobs.flush()

    def _begun(self) -> Batch:
        """The batch in which conversations wait; a new one reads others' changes first."""
        if self._batch is None:
            self._repo.refs.refresh()
            self._taken = taken_branch_names(self._repo)
            self._batch = Batch(self._repo)
        return self._batch

    def _write(
        self, batch: Batch, conversation: Conversation, place: Place, wanted: str
    ) -> tuple[ImportResult, Repository]:
        """Write the conversation's lines and children into *batch*; return also their tract, as it is on disk."""
        inner, outer = batch.repo, self._repo
        if place == "tract":
            inner = _in_new_tract(inner, wanted)
            outer = replace(outer, tract=inner.tract, prefix=inner.prefix)
            with transaction(inner, "import", moves="refs") as tx:
                tx.move(HEAD, branch_ref(inner.config.default_branch), None)
        taken = self._taken if place != "tract" else {inner.config.default_branch.casefold()}
        head = inner.ref(HEAD)
        beside = conversation.metadata if place != "branch" else _with_names(conversation)
        writer = LineWriter(inner, beside, self._blobs and self._blobs.on(inner))
        for number, line in enumerate(conversation.branches):
            if number == 0 and place != "branch" and isinstance(head, str):
                writer.write(line, head.removeprefix(HEADS), partial(free_branch_name, wanted, taken))
            else:
                writer.write(line, free_branch_name(_line_name(wanted, number, line), taken))
        children = [self._take_child(writer, child) for child in conversation.children]
        result = ImportResult(
            wanted, inner.tract, tuple(writer.done), tuple(writer.refused), tuple(name for name in children if name)
        )
        return result, outer

    def _take_child(self, parent: LineWriter, child: Child) -> str | None:
        """Create the tract of an agent, or continue it; return its name, None if its parent has no message."""
        repo = parent.repo
        name = f"{repo.tract}/{child.conversation.name}"
        number = 1
        while repo.refs.read(tract_prefix(name) + HEAD) is not None and not _is_of(repo, name):
            number += 1
            name = f"{repo.tract}/{child.conversation.name}-{number}"
        if repo.refs.read(tract_prefix(name) + HEAD) is None:
            head = parent.calls.get(child.call_id or "") or repo.head()[1] or _tip_of(parent)
            if head is None:
                return None
            from tract.history.spawn import NewChild, write_spawn  # most conversations have no agents

            words = child.purpose.strip() or child.conversation.name
            write_spawn(
                repo,
                NewChild(name=name, context=EMPTY, purpose=words, inheritance="selective", call=child.call_id),
                head=head,
            )
        inner = in_tract(repo, name)
        writer = LineWriter(inner, child.conversation.metadata, self._blobs and self._blobs.on(inner))
        taken = {repo.config.default_branch.casefold()}
        for at, line in enumerate(child.conversation.branches):
            own = repo.config.default_branch if at == 0 else free_branch_name(line.name, taken)
            writer.write(line, own, partial(free_branch_name, line.name, taken))
        parent.refused += writer.refused
        return name


def _counted(repo: Repository) -> BlobCache:
    from tract.tokens.counter import counter_named  # who does not count loads no counter
    from tract.tokens.counts import BlobCache

    return BlobCache(repo, counter_named(repo.config.tokenizer_encoding))


def _is_of(repo: Repository, name: str) -> bool:
    """Whether the tract *name* is a child of this one, so that an import may continue it."""
    spawn = repo.refs.read(f"{tract_prefix(name)}{SPAWN_REF}")
    about = (repo.commit(spawn).metadata or {}).get("spawn") if isinstance(spawn, bytes) else None
    return isinstance(about, dict) and about.get("parent") == repo.tract


def _tip_of(writer: LineWriter) -> ObjectId | None:
    return next((bytes.fromhex(line.tip) for line in writer.done if line.tip is not None), None)


def call_tract(repo: Repository, conversation: Conversation) -> None:
    """Name the tract after the conversation, if it has no name yet, or only the program's id."""
    title, id = conversation.title, conversation.id
    named = f"{title} ({id})" if title and id else title or id
    config = settings_in(repo)
    if not named or named == repo.tract or repo.path is None or config.display_name not in (None, id):
        return
    from tract.settings import write_config

    folder = make_tract_folder(repo.path, repo.prefix) if repo.prefix else repo.path
    write_config(os.path.join(folder, CONFIG_FILE), replace(config, display_name=named[:200]))


def _with_names(conversation: Conversation) -> dict[str, Any]:
    """A conversation's metadata for a branch: with its title and the program's id for it, which on a tract have a place of their own."""
    names = {key: value for key, value in (("title", conversation.title), ("id", conversation.id)) if value}
    return {**names, **conversation.metadata}


def _line_name(wanted: str, number: int, line: Branch) -> str:
    return wanted if number == 0 else f"{wanted}-{line.name.removeprefix('main-')}"


def _in_new_tract(repo: Repository, wanted: str) -> Repository:
    """The store seen from a tract that does not exist yet: ``x``, else ``x-2`` and so on."""
    base = cleaned_name(wanted)
    number, name = 1, base
    while repo.refs.read(tract_prefix(name) + HEAD) is not None:
        number += 1
        name = f"{base}-{number}"
    return replace(repo, tract=name, prefix=tract_prefix(name))
