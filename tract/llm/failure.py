"""Failures of a provider: their error, whether a retry may help, and when.

| status | error | retry |
|---|---|---|
| 401, 403 | LLMAuthError | no |
| 429 | LLMRateLimitError | yes, unless the quota is used up |
| 408, 409, 5xx, no connection, silence, a cut body | LLMResponseError | yes |
| other 4xx, a redirect, a body that is no answer | LLMResponseError | no |

A provider's ``x-should-retry`` overrides this, as in its own clients.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tract.errors import LLMAuthError, LLMError, LLMRateLimitError, LLMResponseError
from tract.llm.client_settings import Limits, Secrets
from tract.llm.parsing import Refused, raise_if_refused
from tract.objects.json import parse_json

_TRANSIENT = frozenset({408, 409})
_QUOTA_USED_UP = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
# An error in a stream has no status; these are the statuses that its words stand for.
_STATUS_OF_KIND = {
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "invalid_request_error": 400,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


def failure_of_body(status: int, headers: Mapping[str, str], body: bytes, secrets: Secrets) -> LLMError:
    """The error for an answer with *status*; its message has a short excerpt of *body*."""
    try:
        value = parse_json(body)
        if isinstance(value, Mapping):
            raise_if_refused(value)
            said = next((value[key] for key in ("message", "detail") if isinstance(value.get(key), str)), None)
        else:
            said = None
        detail, kind = said or body.decode("utf-8", "replace"), ""
    except Refused as exc:
        detail, kind = exc.detail or exc.kind, exc.kind
    except ValueError:
        detail, kind = body.decode("utf-8", "replace"), ""
    return _failure(status, kind, secrets.excerpt(detail), headers)


def failure_of_refusal(refused: Refused, headers: Mapping[str, str], secrets: Secrets) -> LLMError:
    """The error for a failure that a provider reports inside an answer that began well."""
    status = refused.status or _STATUS_OF_KIND.get(refused.kind)
    detail = secrets.excerpt(refused.detail or refused.kind)
    return _failure(status, refused.kind, detail, headers)


def _failure(status: int | None, kind: str, detail: str, headers: Mapping[str, str]) -> LLMError:
    behind = f": {detail}" if detail else ""
    after = read_retry_after(headers)
    if status in (401, 403):
        return LLMAuthError(f"the provider refuses the key ({status}){behind}")
    if status == 429:
        is_transient = kind not in _QUOTA_USED_UP and headers.get("x-should-retry") != "false"
        return LLMRateLimitError(f"the provider asks us to wait (429){behind}", after, is_transient=is_transient)
    if status is not None and 300 <= status < 400:
        return LLMResponseError(f"the provider redirects ({status}), which is not followed", status=status)
    is_transient = status is not None and (status in _TRANSIENT or status >= 500)
    is_transient = {"true": True, "false": False}.get(headers.get("x-should-retry", ""), is_transient)
    shown = f" ({status})" if status is not None else ""
    return LLMResponseError(
        f"the provider answered with an error{shown}{behind}",
        status=status,
        is_transient=is_transient,
        retry_after=after,
    )


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a provider asks the client to wait; None if it gives none, or none that makes sense."""
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _SECONDS.fullmatch(milliseconds):
        return float(milliseconds) / 1000
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    until = _read_date(value)
    if until is None:
        return None
    # By the provider's own clock, if it sends its time: the local one may be wrong.
    now = _read_date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _read_date(value: str) -> datetime | None:
    try:
        read = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)


def is_worth_repeating(error: BaseException, limits: Limits) -> bool:
    """Whether to retry: not after text was given out, and not if the provider asks for a long wait."""
    if not isinstance(error, (LLMRateLimitError, LLMResponseError)) or not error.is_transient:
        return False
    if isinstance(error, LLMResponseError) and error.text:
        return False
    return error.retry_after is None or error.retry_after <= limits.max_wait


def wait_before_repeating(error: BaseException, attempt: int, limits: Limits) -> float:
    """The wait in seconds: the provider's own, else a random part of a time that doubles with each *attempt*, counted from 1. Randomness keeps clients from retrying at the same moment."""
    asked = getattr(error, "retry_after", None)
    if asked is not None:
        return float(asked)
    return random.uniform(0, min(limits.max_wait, limits.backoff * 2.0 ** min(attempt - 1, 64)))
