"""Conversations read from files: chat logs, agent transcripts, training sets.

Readers are pure: a file goes in, values come out, and nothing here knows tract's store.

    reader        read_transcript: finds a file's kind, and reads its conversations
    table         the formats that can be read
    readers       one file a format: which values are of it, and their conversion
    model         the contents of a file, as values; and the interface of a format's reader
    shapes        where in a JSON value the conversations are
    formats       the format of a list of messages, and whether a value is a message
    strictjson    JSON without its accidents: NaN, a key twice, half a surrogate pair
    places        the line of a value in a document
    parquet       the rows of a Parquet file
    unpacking     compressed files
"""

from tract.adapters.transcripts.conversations import Branch, Child, Conversation, Problem, Reading, Turn
from tract.annotations import TYPE_CHECKING

if TYPE_CHECKING:
    from tract.adapters.transcripts.reader import read_transcript
    from tract.adapters.transcripts.table import FORMATS

__all__ = ["FORMATS", "Branch", "Child", "Conversation", "Problem", "Reading", "Turn", "read_transcript"]


def __getattr__(name: str) -> object:
    """Names that need the readers of all formats are loaded on demand: a hook uses only one."""
    if name == "read_transcript":
        from tract.adapters.transcripts.reader import read_transcript

        return read_transcript
    if name == "FORMATS":
        from tract.adapters.transcripts.table import FORMATS

        return FORMATS
    raise AttributeError(f"module 'tract.adapters.transcripts' has no attribute {name!r}")
