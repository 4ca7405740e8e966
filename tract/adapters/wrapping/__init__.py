"""Wrapped clients: a provider's own client that records what it is asked and what it answers.

    client.chat.completions.create(…)
      │    proxies     the client as it is, but for the methods that ask a model
      ▼
    the real method ──▸ its answer, its stream or its exception ──▸ the caller
      │    noticing    the bytes that go out, as the SDK shows them
      │    returned    what the caller gets: an answer, a stream, a response of HTTP
      │    streams     what a stream brings is put together on its way
      ▼
    exchange           the list that was sent and the answer, as ``Tract.record`` takes them

Nothing of an SDK is imported here: clients are told apart by what they are called.
"""

from tract.adapters.wrapping.wrap import wrap

__all__ = ["wrap"]
