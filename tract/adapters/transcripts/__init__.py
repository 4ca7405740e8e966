"""Conversations read from files: chat logs, agent transcripts, training sets.

Readers are pure: a file goes in, values come out, and nothing here knows tract's store.

    reader        read_transcript: which kind of file it is, and what is in it
    table         the formats that can be read
    readers       one file a format: which values are of it, and what they become
    model         what a file holds, as values; and what a format's reader is
    shapes        where in a JSON value the conversations are
    formats       whose format a list of messages has, and whether a message is one
    strictjson    JSON without its accidents: NaN, twice the same key, half a surrogate pair
    places        on which line of a document a value stands
    parquet       the rows of a Parquet file
    unpacking     files that are compressed
"""

from tract.adapters.transcripts.conversations import Branch, Child, Conversation, Problem, Reading, Turn
from tract.annotations import TYPE_CHECKING

if TYPE_CHECKING:
    from tract.adapters.transcripts.reader import read_transcript
    from tract.adapters.transcripts.table import FORMATS

__all__ = ["FORMATS", "Branch", "Child", "Conversation", "Problem", "Reading", "Turn", "read_transcript"]


def __getattr__(name: str) -> object:
    """What needs the readers of all formats is loaded when it is first asked for: a hook reads one."""
    if name == "read_transcript":
        from tract.adapters.transcripts.reader import read_transcript

        return read_transcript
    if name == "FORMATS":
        from tract.adapters.transcripts.table import FORMATS

        return FORMATS
    raise AttributeError(f"module 'tract.adapters.transcripts' has no attribute {name!r}")
