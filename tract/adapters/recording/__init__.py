"""Recording a list of messages: messages appended, edited, moved or dropped against the context become commits in one operation.

given       the input: a list or a provider's body, as items, and the messages to commit for each item
pieces      a context as it is rendered: which items come from which messages
known       cached facts about the list recorded before
matching    which messages of the context the items are
plan        the changes to make, as a value
landing     the commits that make the context the list
"""

from tract.adapters.recording.landing import OnDivergence, RecordResult
from tract.adapters.recording.record import RecordOptions, record

__all__ = ["OnDivergence", "RecordOptions", "RecordResult", "record"]
