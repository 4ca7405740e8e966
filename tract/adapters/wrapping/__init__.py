"""Wrapped clients: a provider's own client that records its questions and answers.

    client.chat.completions.create(…)
      │    proxies     the client unchanged, except for the methods that ask a model
      ▼
    the real method ──▸ its answer, its stream or its exception ──▸ the caller
      │    noticing    the sent bytes, as the SDK shows them
      │    returned    the caller's value: an answer, a stream, an HTTP response
      │    streams     a stream is assembled on its way
      ▼
    exchange           the sent list and the answer, as ``Tract.record`` takes them

No SDK is imported here: clients are recognised by their names.
"""

from tract.adapters.wrapping.wrap import wrap

__all__ = ["wrap"]
