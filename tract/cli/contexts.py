"""A compiled context as a JSON document."""

from __future__ import annotations

from typing import Any

from tract.compile.compiled import CompiledContext


def context_value(context: CompiledContext, format: str, rendered: Any) -> dict[str, Any]:
    """The context as *rendered* in *format*, with its tokens and the commit of each message."""
    commit = context.snapshot.key.commit
    columns = zip(context.messages, context.commit_hashes, context.token_counts, strict=True)
    return {
        "commit": None if commit is None else commit.hex(),
        "tokens": context.token_count,
        "token_source": context.token_source,
        "format": format,
        "context": rendered,
        "messages": [
            {"commit": hash, "role": message.role, "name": message.name, "tokens": tokens}
            for message, hash, tokens in columns
        ],
        "warnings": [
            {"kind": w.kind, "detail": w.detail, "index": w.index, "commit": w.commit} for w in context.warnings
        ],
    }
