"""LiteLLM's calls, recorded: ``litellm.callbacks = [TractLogger(t)]``.

Only the standard logging object is read; LiteLLM's other arguments (``kwargs``) contain the key, and are never stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from tract.adapters.wrapping.exchange import Recorder
from tract.adapters.wrapping.going_on import Records

if TYPE_CHECKING:

    class _Base:
        """The callbacks that LiteLLM calls."""
else:
    try:
        from litellm.integrations.custom_logger import CustomLogger as _Base
    except ImportError:  # it is the user's to install
        _Base = object

_ERROR = ("error_class", "error_code", "error_message", "llm_provider")


class TractLogger(_Base):
    """Records LiteLLM's questions and answers in *t*: each call once, streamed ones too; failures as records of kind ``llm_error``.

    A call that cannot be recorded is a RecordWarning, or with *on_failure* ``raise`` an error, which LiteLLM logs.
    """

    def __init__(self, t: Records, *, on_failure: Literal["warn", "raise"] = "warn") -> None:
        super().__init__()
        self._recorder = Recorder(t, "litellm", raises=on_failure == "raise")

    def log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:  # LiteLLM's names
        """Record an answered call."""
        self._take(kwargs)

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Record an answered asyncio call."""
        self._take(kwargs)

    def log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Record a failed call."""
        self._take(kwargs, failed=True)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Record a failed asyncio call."""
        self._take(kwargs, failed=True)

    def _take(self, kwargs: Any, *, failed: bool = False) -> None:
        logged = kwargs.get("standard_logging_object") if isinstance(kwargs, Mapping) else None
        if not isinstance(logged, Mapping):
            return
        settings = logged.get("model_parameters")
        model = {"model": logged.get("model")} if logged.get("model") else {}
        body = {
            **(settings if isinstance(settings, Mapping) else {}),
            **model,
            "messages": logged.get("messages") or [],
        }
        exchange = self._recorder.begin("openai", body)
        if not failed:
            exchange.answered(logged.get("response"))
            return
        told = logged.get("error_information")
        about = {name: told[name] for name in _ERROR if told.get(name)} if isinstance(told, Mapping) else {}
        exchange.failed_as(about or {"error_message": str(logged.get("error_str"))[:1000]})
