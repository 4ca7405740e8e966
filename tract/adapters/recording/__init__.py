"""Recording a list of messages: what was appended, edited, moved or dropped against the context, as commits in one operation.

given       what was given: a list or a provider's body, as items, and each item as the messages that would be committed
pieces      a context as it is rendered: which items are of which messages
known       what is known of the list that was recorded before
matching    which messages of the context the items are
plan        what has to be done, as a value
landing     the commits that make the context the list
"""

from tract.adapters.recording.landing import OnDivergence, RecordResult
from tract.adapters.recording.record import RecordOptions, record

__all__ = ["OnDivergence", "RecordOptions", "RecordResult", "record"]
