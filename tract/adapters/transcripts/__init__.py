"""Conversations read from files: chat logs, agent transcripts, training sets.

Readers are pure: a file goes in, values come out, and nothing here knows tract's store.

    reader        read_transcript: which kind of file it is, and what is in it
    strictjson    JSON without its accidents: NaN, twice the same key, half a surrogate pair
    shapes        where in a JSON value the lists of messages are
    formats       whose format a list of messages has, and whether a message is one
    messages      OpenAI, Responses and Anthropic messages as turns
    sharegpt      ShareGPT's from/value items as turns
    claude_code   Claude Code's tree of records as lines of history
"""

from tract.adapters.transcripts.model import Branch, Conversation, Problem, Reading, Turn
from tract.adapters.transcripts.reader import FORMATS, read_transcript

__all__ = ["FORMATS", "Branch", "Conversation", "Problem", "Reading", "Turn", "read_transcript"]
