"""Parquet files, as Hugging Face keeps its sets of messages: a row is read like a line of JSON.

In a column of lists of maps, every map has all keys of any, with null for those it was not given: so null is read as an absent key.
Values that JSON lacks become text: times as ISO 8601, decimals with their digits. Bytes are left out, and reported.
Reading them needs pyarrow, which is in the extra ``tract-ai[parquet]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, BinaryIO
from uuid import UUID

from tract.adapters.transcripts.strictjson import mended
from tract.errors import ImportFormatError
from tract.objects.message_format import JSON

MAGIC = b"PAR1"
"""The bytes with which such a file begins and ends."""

_AT_ONCE = 1000


def read_rows(file: BinaryIO, path: str, report: Callable[[str, str], None]) -> Iterator[JSON]:
    """The rows of the file *path*, open as *file*; *report* gets the place of each value that could not be kept as it was.

    ImportFormatError if pyarrow is not installed, or the file is damaged.
    """
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError:
        detail = "a Parquet file, and reading it needs pyarrow, which is in the extra 'tract-ai[parquet]'"
        raise ImportFormatError(f"'{path}' is {detail}", path, None, detail) from None
    try:
        number = 0
        for batch in ParquetFile(file).iter_batches(batch_size=_AT_ONCE):
            for row in batch.to_pylist(maps_as_pydicts="lossy"):
                yield mended(_as_json(row, report, f"[{number}]"), report, f"[{number}]")
                number += 1
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as exc:
        detail = f"a damaged Parquet file: {str(exc).splitlines()[0][:120]}"
        raise ImportFormatError(f"'{path}' is {detail}", path, None, detail) from exc


def _as_json(value: Any, report: Callable[[str, str], None], place: str) -> JSON:
    """*value*, of Python's types, in JSON's types."""
    if isinstance(value, dict):
        kept = {str(key): _as_json(item, report, f"{place}.{key}") for key, item in value.items() if item is not None}
        return {key: item for key, item in kept.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_as_json(item, report, f"{place}[{at}]") for at, item in enumerate(value)]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, bytes):
        report(place, f"{len(value)} bytes that are not text are left out")
        return None
    return value
