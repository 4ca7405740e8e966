"""Which tool result answers which call, whatever the messages' formats.

    call a, call b     result a              two calls of one answer; b waits
    call a             user         result a the result is late, and still answers a
    call a  result a   result a              the second is one too many
                       result z              no call z exists

A call and a result are named by the number of their message and their place among its calls, or its results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tract.messages.message import CompileWarning, Message
from tract.messages.parts import Notes, known_role
from tract.messages.tool_names import legacy_call_id
from tract.messages.values import is_map, items_of, json_or_text
from tract.named_tuple import NamedTuple
from tract.objects.message_format import JSON

_SENTENCES = {
    "unpaired_tool_call": "no result follows the tool call {}",
    "unpaired_tool_result": "no call comes before the tool result {}",
    "misplaced_tool_result": "the result {} does not directly follow its tool call",
}

ANSWERED_ITEMS = frozenset(
    {"function_call", "custom_tool_call", "computer_call", "local_shell_call", "shell_call", "apply_patch_call"}
    | {"tool_search_call", "program"}
)
"""The Responses items that wait for an item with a result, where they have a ``call_id``."""

LEGACY = "legacy"
"""The kind of ``function_call`` and of messages of the role ``function``, which name the tool and have no id."""


TEXT_KINDS = frozenset({"function", "custom", "custom_tool", "program", LEGACY})
"""The kinds of calls whose result is a text; those of the others have shapes of their own."""


class Tool(NamedTuple):
    """A call or a result; *id* and *name* are "" if it has none; *kind* decides which results may answer which calls."""

    id: str
    name: str
    kind: str = "function"

    def may_answer(self, call: Tool) -> bool:
        """Whether a result of this kind may answer *call*: text results answer functions of every sort, each other kind of call has its own kind of result."""
        return self.kind == call.kind or {self.kind, call.kind} <= TEXT_KINDS

    @property
    def label(self) -> str:
        """The id; without one, a text that stands for it."""
        return self.id or legacy_call_id(self.name or None)


class Ref(NamedTuple):
    """Call or result number *at* of message *row*."""

    row: int
    at: int


class Tools(NamedTuple):
    """The calls in a message, and the results in it."""

    calls: tuple[Tool, ...]
    results: tuple[Tool, ...]


NO_TOOLS = Tools((), ())
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def tools_in(message: Message) -> Tools:
    """The calls in *message* and the results in it, in order.

    Server tools, which the provider runs itself, do not count: their results are part of the same answer.
    """
    raw = message.raw
    match message.format:
        case "openai":
            return _chat_tools(raw)
        case "responses":
            return _item_tools(raw)
        case _:
            return _block_tools(raw)


def _chat_tools(raw: Mapping[str, JSON]) -> Tools:
    role = raw.get("role")
    if role == "tool":
        return Tools((), (Tool(str(raw.get("tool_call_id") or ""), _text(raw.get("name"))),))
    if role == "function":
        return Tools((), (Tool("", _text(raw.get("name")), LEGACY),))
    if ("tool_calls" not in raw and "function_call" not in raw) or known_role(role, calls=True) != "assistant":
        return NO_TOOLS
    calls = [chat_call(call) for call in chat_calls(raw)]
    legacy = raw.get("function_call")
    if isinstance(legacy, Mapping):
        calls.append(Tool("", _text(legacy.get("name")), LEGACY))
    return Tools(tuple(calls), ())


def chat_calls(raw: Mapping[str, JSON]) -> list[Mapping[str, JSON]]:
    """The entries of ``tool_calls`` that name a tool."""
    return [
        call
        for call in items_of(raw.get("tool_calls"))
        if is_map(call) and (is_map(call.get("function")) or is_map(call.get("custom")))
    ]


def chat_call(call: Mapping[str, JSON]) -> Tool:
    """The call in an entry of ``tool_calls``."""
    custom = call.get("custom")
    tool = custom if is_map(custom) else call.get("function")
    name = _text(tool.get("name")) if is_map(tool) else ""
    return Tool(str(call.get("id") or ""), name, "custom" if tool is custom and custom is not None else "function")


def chat_arguments(raw: Mapping[str, JSON]) -> list[str]:
    """The arguments of the calls in a chat message, each as text, in the order of :func:`tools_in`."""
    functions = [call["custom"] if is_map(call.get("custom")) else call["function"] for call in chat_calls(raw)]
    legacy = raw.get("function_call")
    functions += [legacy] if is_map(legacy) else []
    given = [one.get("arguments", one.get("input")) for one in functions]
    return ["" if one is None else json_or_text(one) for one in given]


def _item_tools(raw: Mapping[str, JSON]) -> Tools:
    kind = str(raw.get("type"))
    id, has_id = _text(raw.get("call_id")), isinstance(raw.get("call_id"), str)
    if kind.endswith("_output"):
        id = id or (_text(raw.get("id")) if kind == "local_shell_call_output" else "")
        of = kind.removesuffix("_output").removesuffix("_call")
        is_result = bool(id) or has_id or of in ("function", "custom_tool")
        return Tools((), (Tool(id, _text(raw.get("name")), of),)) if is_result else NO_TOOLS
    if kind not in ANSWERED_ITEMS or not (has_id or kind in ("function_call", "custom_tool_call")):
        return NO_TOOLS
    return Tools((Tool(id, _text(raw.get("name")), kind.removesuffix("_call")),), ())


def _block_tools(raw: Mapping[str, JSON]) -> Tools:
    content = raw.get("content")
    if not isinstance(content, list | tuple):
        return NO_TOOLS
    blocks = [block for block in content if isinstance(block, Mapping)]
    role = known_role(raw.get("role"))
    if role == "assistant":
        uses = [block for block in blocks if block.get("type") == "tool_use"]
        return Tools(tuple(Tool(_text(use.get("id")), _text(use.get("name"))) for use in uses), ())
    found = [block for block in blocks if block.get("type") == "tool_result"] if role == "user" else []
    return Tools((), tuple(Tool(_text(result.get("tool_use_id")), "") for result in found))


def _text(value: JSON) -> str:
    return "" if value is None else str(value)


def tool_ids(message: Message) -> tuple[list[str], list[str]]:
    """The ids of the calls in *message*, and the ids of the calls it answers, in order; without an id, a text that stands for it."""
    calls, results = tools_in(message)
    return [call.label for call in calls], [result.label for result in results]


def is_of_tool(message: Message) -> bool:
    """Whether the message calls tools, or answers calls."""
    return bool(any(tools_in(message)))


class ToolUnits(NamedTuple):
    """Messages that belong together: *of* maps each member to all members of its unit, in order.

    A unit is a message that calls tools together with the messages that answer it, or a reasoning item of Responses with the item that follows it.
    *waiting* are the messages with a call that still waits for its result.
    """

    of: dict[int, tuple[int, ...]]
    waiting: tuple[int, ...]


def tool_units(messages: Sequence[Message]) -> ToolUnits:
    """The units of *messages*, by their places."""
    units: dict[int, list[int]] = {}
    pairing = Pairing()
    before: int | None = None  # a reasoning item directly in front
    for row, message in enumerate(messages):
        for call, _ in pairing.add(row, message):
            _unite(units, call.row, row)
        if before is not None and is_answer(message):
            _unite(units, before, row)
        before = row if is_reasoning(message) else None
    return ToolUnits({row: tuple(sorted(unit)) for row, unit in units.items()}, pairing.waiting())


def _unite(units: dict[int, list[int]], first: int, second: int) -> None:
    unit = units.setdefault(first, [first])
    for member in units.get(second, [second]):
        if member not in unit:
            unit.append(member)
        units[member] = unit


def is_answer(message: Message) -> bool:
    """Whether *message* is the model's; if no format knows its role, its content decides."""
    if message.role in _ROLES:
        return message.role == "assistant"
    return known_role(message.role, calls=bool(tools_in(message).calls)) == "assistant"


def is_reasoning(message: Message) -> bool:
    """Whether *message* is a reasoning item of Responses, which is sent only together with the item that follows it."""
    return message.format == "responses" and message.raw.get("type") == "reasoning"


def pairing_warnings(messages: Sequence[Message]) -> tuple[CompileWarning, ...]:
    """The problems with tool calls and results in *messages* as they were recorded, by message.

    ``unpaired_tool_call`` and ``unpaired_tool_result`` lack their other half; a call of the last answer may still wait for its result, and gets no warning.
    ``misplaced_tool_result`` has its call, but something else came between.
    """
    pairing = Pairing()
    for index, message in enumerate(messages):
        pairing.add(index, message)
    return pairing.warnings()


class Pairing:
    """Which result answers which call, among the messages added so far.

    ``answers`` has the result of each call that was answered, ``calls`` the call of each result that answers one, ``again`` the call of each result that comes after another result for it.
    A result in neither of the last two answers no call.
    """

    def __init__(self) -> None:
        self.answers: dict[Ref, Ref] = {}
        self.calls: dict[Ref, Ref] = {}
        self.again: dict[Ref, Ref] = {}
        self._open: dict[Ref, Tool] = {}  # calls of the answer under way
        self._missed: dict[str, dict[Ref, Tool]] = {}  # calls of answers that are over, by id
        self._done: dict[str, Ref] = {}  # the last call with an id that was answered
        self._answered = False
        self._notes = Notes()

    def add(self, row: int, message: Message) -> list[tuple[Ref, Ref]]:
        """Add the next message as number *row*, and return the pairs of a call and a result that it completes."""
        return self.add_tools(row, message, tools_in(message))

    def add_tools(self, row: int, message: Message, tools: Tools) -> list[tuple[Ref, Ref]]:
        """The same for a message whose *tools* are known."""
        calls, results = tools
        answer = is_answer(message)
        if self._open and not results and (not answer or self._answered):
            self._miss()
        self._answered = bool(results) or (self._answered and not answer)
        pairs = []
        for at, result in enumerate(results):
            ref = Ref(row, at)
            call = self._match(ref, result, message)
            if call is not None:
                self.answers[call], self.calls[ref] = ref, call
                pairs.append((call, ref))
        for at, tool in enumerate(calls):
            self._open[Ref(row, at)] = tool
        if self._open and results and says_more(message):
            self._miss()
        return pairs

    def _miss(self) -> None:
        for ref, tool in self._open.items():
            self._missed.setdefault(tool.id, {})[ref] = tool
        self._open = {}

    def _match(self, ref: Ref, result: Tool, message: Message) -> Ref | None:
        """The call that *result* answers, or None; that call no longer waits."""
        call = _waiting_for(result, self._open)
        if call is not None:
            tool = self._open.pop(call)
        elif (call := self._missed_by(result)) is not None:
            tool = self._missed[result.id].pop(call)
            if not self._missed[result.id]:
                del self._missed[result.id]
            if message.format != "responses":
                self._notes.add(ref.row, "misplaced_tool_result", repr(result.label))
        else:
            self._notes.add(ref.row, "unpaired_tool_result", repr(result.label))
            if result.id in self._done:
                self.again[ref] = self._done[result.id]
            return None
        if tool.id:
            self._done[tool.id] = call
        return call

    def _missed_by(self, result: Tool) -> Ref | None:
        """The first call of an earlier answer that *result* answers; only its id can tell."""
        missed = self._missed.get(result.id, {}) if result.id else {}
        return next((ref for ref, call in missed.items() if result.may_answer(call)), None)

    @property
    def open(self) -> Mapping[Ref, Tool]:
        """The calls of the last answer that have no result yet."""
        return self._open

    def waiting(self) -> tuple[int, ...]:
        """The messages with a call of the last answer that has no result yet."""
        return tuple(sorted({ref.row for ref in self._open}))

    def warnings(self) -> tuple[CompileWarning, ...]:
        """The problems found, by message."""
        unanswered = Notes()
        for missed in self._missed.values():
            for ref, tool in missed.items():
                unanswered.add(ref.row, "unpaired_tool_call", repr(tool.label))
        found = (*self._notes.warnings(_SENTENCES), *unanswered.warnings(_SENTENCES))
        return tuple(sorted(found, key=lambda warning: (warning.index or 0, warning.kind)))


def _waiting_for(result: Tool, waiting: Mapping[Ref, Tool]) -> Ref | None:
    """The call in *waiting* that *result* answers: by its id, else by name and order if only one call is possible."""
    if result.id:
        for ref, call in waiting.items():
            if call.id == result.id and result.may_answer(call):
                return ref
    fitting = {ref: call for ref, call in waiting.items() if result.may_answer(call)}
    without_id = [ref for ref, call in fitting.items() if not call.id and result.name in ("", call.name)]
    if result.id:
        return without_id[0] if without_id and (result.name or len(without_id) == 1) else None
    if without_id:
        return without_id[0]
    with_name = [ref for ref, call in fitting.items() if result.name in ("", call.name)]
    return with_name[0] if len(with_name) == 1 else None


def says_more(message: Message) -> bool:
    """Whether *message*, which answers calls, also has other content."""
    if message.format != "anthropic":
        return False
    return any(
        not (isinstance(block, Mapping) and block.get("type") == "tool_result")
        for block in items_of(message.raw.get("content"))
    )
