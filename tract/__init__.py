"""tract: git for LLM context windows.

    >>> import tract
    >>> with tract.Tract.open(":memory:") as t:
    ...     _ = t.system("You are terse.")
    ...     _ = t.user("What is 2 + 2?")
    ...     t.compile().to_openai()[-1]
    {'content': 'What is 2 + 2?', 'role': 'user'}

Names are loaded when they are first used, so that a command that needs few of them starts fast.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""True for who checks types; typing's own takes longer to load than all else here, and a hook waits for it."""

__version__ = "0.1.0"

_HOMES = {
    "tract.agents.actions": ("Action", "ActionResult", "Autonomy", "PolicyAction"),
    "tract.events.event": ("Event",),
    "tract.agents.executor": ("ToolExecutor", "ToolResult"),
    "tract.agents.subject": ("Advice",),
    "tract.agents.other_branches": ("BranchHealth",),
    "tract.agents.health": ("CacheState", "Health", "RepeatedOutput"),
    "tract.agents.operation": ("Operation",),
    "tract.agents.builtin.archive": ("ArchivePolicy",),
    "tract.agents.builtin.collect": ("GCPolicy",),
    "tract.agents.builtin.compress": ("CompressPolicy",),
    "tract.agents.builtin.drift": ("BranchPolicy",),
    "tract.agents.builtin.pin": ("PinPolicy",),
    "tract.agents.callbacks": ("auto_approve", "log_and_approve", "reject_all"),
    "tract.cli.prompting": ("cli_prompt",),
    "tract.agents.planner": ("Plan",),
    "tract.agents.orchestrator": (
        "OrchestratorCallbacks",
        "OrchestratorConfig",
        "OrchestratorResult",
        "StepResult",
        "TriggerConfig",
    ),
    "tract.agents.runs": ("RunInfo",),
    "tract.agents.policies": ("Calm", "Policy", "PolicyInfo", "PolicySkip", "register_policy_class"),
    "tract.agents.policy_log": ("PolicyLogEntry",),
    "tract.agents.proposals": ("Decision", "Proposal"),
    "tract.agents.operation_table": ("operations",),
    "tract.curation.listing": ("MessageInfo",),
    "tract.api.session": ("Session",),
    "tract.api.tract": ("Tract",),
    "tract.config": ("BudgetAction", "TokenBudgetConfig", "TractConfig"),
    "tract.report.forensics": ("BlameEntry",),
    "tract.compile.compiled": ("CompiledContext",),
    "tract.compile.custom": ("ContextCompiler", "ContextEntry"),
    "tract.report.diff": ("CommitDetails", "ConfigChange", "DiffResult", "DiffStat", "MessageDiff", "MessageVersion"),
    "tract.compile.totals": ("TokenCount",),
    "tract.report.info": ("CommitInfo",),
    "tract.compile.prefix": ("PrefixChange",),
    "tract.history.partial": ("PartialAnswer",),
    "tract.messages.message": ("CompileWarning", "Message"),
    "tract.report.spending": ("UsageReport", "UsageRow"),
    "tract.report.status": ("StatusInfo",),
    "tract.report.search": ("SearchHit",),
    "tract.report.tracts": ("TractInfo",),
    "tract.writing.stream": ("MessageStream",),
    "tract.tokens.counter": ("EstimateTokenCounter", "NullTokenCounter", "TiktokenCounter", "TokenCounter"),
    "tract.tokens.usage": ("TokenUsage",),
    "tract.curation.compress.result": (
        "CachePrices",
        "CompressResult",
        "CompressedPart",
        "PendingCompression",
        "PrefixCost",
    ),
    "tract.curation.expand": ("ExpandResult",),
    "tract.curation.collapse": ("CollapseResult",),
    "tract.curation.waiting_collapses": ("PendingCollapse",),
    "tract.curation.spawn": ("SpawnInfo",),
    "tract.curation.under_way": ("CommandUnderWay",),
    "tract.curation.merge.result": ("MergeConflict", "MergeResolution", "MergeResult"),
    "tract.curation.reorder": ("ReorderResult",),
    "tract.curation.replay.result": (
        "CherryPickResult",
        "DroppedCommit",
        "RebaseResult",
        "ReplayWarning",
        "ReplayedCommit",
        "RevertResult",
    ),
    "tract.curation.merge.resolve": ("llm_resolver",),
    "tract.curation.compress.summariser": ("llm_summariser",),
    "tract.history.branch": ("BranchInfo",),
    "tract.maintenance.gc.options": ("Archive", "GCResult", "HeldArchive"),
    "tract.history.priority": ("Priority", "PriorityAnnotation"),
    "tract.history.reflog": ("ReflogEntry",),
    "tract.history.undo": ("UndoMove", "UndoPlan"),
    "tract.llm.callables": ("as_client",),
    "tract.llm.drivers": ("AsyncLLMStream", "LLMStream"),
    "tract.llm.clients": ("AnthropicClient", "OpenAIClient"),
    "tract.llm.prompts": ("Prompt", "load_prompt"),
    "tract.llm.types": (
        "LLMClient",
        "LLMResponse",
        "ResolveRequest",
        "Resolution",
        "ResolverCallable",
        "SummariserCallable",
        "Summary",
        "SummaryRequest",
    ),
    "tract.objects.content": (
        "ArtifactContent",
        "DialogueContent",
        "FreeformContent",
        "RecordContent",
        "InstructionContent",
        "MessageContent",
        "OutputContent",
        "ReasoningContent",
        "SessionContent",
        "ToolIOContent",
        "validate_content",
    ),
    "tract.objects.model": ("CommitOperation",),
    "tract.remote.branches": ("PushedRef",),
    "tract.remote.fetch": ("FetchedRef",),
    "tract.remote.pull": ("FetchResult", "PullResult"),
    "tract.remote.push": ("PushResult",),
    "tract.remote.remotes": ("RemoteInfo",),
    "tract.adapters.exporting": ("ExportResult",),
    "tract.adapters.importing": ("ImportResult",),
    "tract.adapters.recording": ("RecordResult",),
    "tract.adapters.wrapping": ("wrap",),
    "tract.errors": (
        "ActionError",
        "AmbiguousPrefixError",
        "BisectError",
        "BlobNotFoundError",
        "BudgetWarning",
        "BranchExistsError",
        "BranchNotFoundError",
        "BudgetExceededError",
        "CherryPickError",
        "ClosedError",
        "CommitNotFoundError",
        "CompressionError",
        "ConfigError",
        "ContentValidationError",
        "DamageWarning",
        "DetachedHeadError",
        "DurabilityError",
        "EditTargetError",
        "FormatVersionError",
        "GCError",
        "HistoryCutError",
        "DivergedError",
        "ExportError",
        "ImportFormatError",
        "InvalidBranchNameError",
        "KeyConflictError",
        "LLMAuthError",
        "LLMConfigError",
        "LLMError",
        "LLMRateLimitError",
        "LLMResponseError",
        "LockTimeoutError",
        "MergeConflictError",
        "MergeError",
        "NotARepositoryError",
        "NothingToMergeError",
        "ObjectCorruptError",
        "OrchestratorError",
        "PolicyConfigError",
        "PolicyExecutionError",
        "PolicyWarning",
        "RecordWarning",
        "ProposalError",
        "RebaseError",
        "ReadOnlyError",
        "RefMovedError",
        "RefNameError",
        "RemoteAuthError",
        "RemoteError",
        "RemoteMovedError",
        "RemoteRefusedError",
        "RoleWarning",
        "SemanticSafetyError",
        "SessionError",
        "SpawnError",
        "StorageError",
        "StreamError",
        "TagExistsError",
        "TimeArgumentError",
        "TokenizerError",
        "TraceError",
        "TractError",
        "TractWarning",
        "UnmergedBranchError",
        "UnsafeRepositoryError",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]  # the names are texts; ruff cannot see that

if TYPE_CHECKING:
    from tract.agents.actions import Action as Action
    from tract.agents.actions import ActionResult as ActionResult
    from tract.agents.actions import Autonomy as Autonomy
    from tract.agents.actions import PolicyAction as PolicyAction
    from tract.agents.builtin.archive import ArchivePolicy as ArchivePolicy
    from tract.agents.builtin.collect import GCPolicy as GCPolicy
    from tract.agents.builtin.compress import CompressPolicy as CompressPolicy
    from tract.agents.builtin.drift import BranchPolicy as BranchPolicy
    from tract.agents.builtin.pin import PinPolicy as PinPolicy
    from tract.agents.callbacks import auto_approve as auto_approve
    from tract.agents.callbacks import log_and_approve as log_and_approve
    from tract.agents.callbacks import reject_all as reject_all
    from tract.agents.executor import ToolExecutor as ToolExecutor
    from tract.agents.executor import ToolResult as ToolResult
    from tract.agents.health import CacheState as CacheState
    from tract.agents.health import Health as Health
    from tract.agents.health import RepeatedOutput as RepeatedOutput
    from tract.agents.operation import Operation as Operation
    from tract.agents.operation_table import operations as operations
    from tract.agents.orchestrator import OrchestratorCallbacks as OrchestratorCallbacks
    from tract.agents.orchestrator import OrchestratorConfig as OrchestratorConfig
    from tract.agents.orchestrator import OrchestratorResult as OrchestratorResult
    from tract.agents.orchestrator import StepResult as StepResult
    from tract.agents.orchestrator import TriggerConfig as TriggerConfig
    from tract.agents.other_branches import BranchHealth as BranchHealth
    from tract.agents.planner import Plan as Plan
    from tract.agents.policies import Calm as Calm
    from tract.agents.policies import Policy as Policy
    from tract.agents.policies import PolicyInfo as PolicyInfo
    from tract.agents.policies import PolicySkip as PolicySkip
    from tract.agents.policies import register_policy_class as register_policy_class
    from tract.agents.policy_log import PolicyLogEntry as PolicyLogEntry
    from tract.agents.proposals import Decision as Decision
    from tract.agents.proposals import Proposal as Proposal
    from tract.agents.runs import RunInfo as RunInfo
    from tract.agents.subject import Advice as Advice
    from tract.api.session import Session as Session
    from tract.api.tract import Tract as Tract
    from tract.cli.prompting import cli_prompt as cli_prompt
    from tract.compile.compiled import CompiledContext as CompiledContext
    from tract.compile.custom import ContextCompiler as ContextCompiler
    from tract.compile.custom import ContextEntry as ContextEntry
    from tract.compile.prefix import PrefixChange as PrefixChange
    from tract.compile.totals import TokenCount as TokenCount
    from tract.config import BudgetAction as BudgetAction
    from tract.config import TokenBudgetConfig as TokenBudgetConfig
    from tract.config import TractConfig as TractConfig
    from tract.curation.collapse import CollapseResult as CollapseResult
    from tract.curation.compress.result import CachePrices as CachePrices
    from tract.curation.compress.result import CompressedPart as CompressedPart
    from tract.curation.compress.result import CompressResult as CompressResult
    from tract.curation.compress.result import PendingCompression as PendingCompression
    from tract.curation.compress.result import PrefixCost as PrefixCost
    from tract.curation.compress.summariser import llm_summariser as llm_summariser
    from tract.curation.expand import ExpandResult as ExpandResult
    from tract.curation.listing import MessageInfo as MessageInfo
    from tract.curation.merge.resolve import llm_resolver as llm_resolver
    from tract.curation.merge.result import MergeConflict as MergeConflict
    from tract.curation.merge.result import MergeResolution as MergeResolution
    from tract.curation.merge.result import MergeResult as MergeResult
    from tract.curation.reorder import ReorderResult as ReorderResult
    from tract.curation.replay.result import CherryPickResult as CherryPickResult
    from tract.curation.replay.result import DroppedCommit as DroppedCommit
    from tract.curation.replay.result import RebaseResult as RebaseResult
    from tract.curation.replay.result import ReplayedCommit as ReplayedCommit
    from tract.curation.replay.result import ReplayWarning as ReplayWarning
    from tract.curation.replay.result import RevertResult as RevertResult
    from tract.curation.spawn import SpawnInfo as SpawnInfo
    from tract.curation.under_way import CommandUnderWay as CommandUnderWay
    from tract.curation.waiting_collapses import PendingCollapse as PendingCollapse
    from tract.errors import *  # noqa: F403
    from tract.events.event import Event as Event
    from tract.history.branch import BranchInfo as BranchInfo
    from tract.history.partial import PartialAnswer as PartialAnswer
    from tract.history.priority import Priority as Priority
    from tract.history.priority import PriorityAnnotation as PriorityAnnotation
    from tract.history.reflog import ReflogEntry as ReflogEntry
    from tract.history.undo import UndoMove as UndoMove
    from tract.history.undo import UndoPlan as UndoPlan
    from tract.llm.callables import as_client as as_client
    from tract.llm.clients import AnthropicClient as AnthropicClient
    from tract.llm.clients import OpenAIClient as OpenAIClient
    from tract.llm.drivers import AsyncLLMStream as AsyncLLMStream
    from tract.llm.drivers import LLMStream as LLMStream
    from tract.llm.prompts import Prompt as Prompt
    from tract.llm.prompts import load_prompt as load_prompt
    from tract.llm.types import LLMClient as LLMClient
    from tract.llm.types import LLMResponse as LLMResponse
    from tract.llm.types import Resolution as Resolution
    from tract.llm.types import ResolverCallable as ResolverCallable
    from tract.llm.types import ResolveRequest as ResolveRequest
    from tract.llm.types import SummariserCallable as SummariserCallable
    from tract.llm.types import Summary as Summary
    from tract.llm.types import SummaryRequest as SummaryRequest
    from tract.maintenance.gc.options import Archive as Archive
    from tract.maintenance.gc.options import GCResult as GCResult
    from tract.maintenance.gc.options import HeldArchive as HeldArchive
    from tract.messages.message import CompileWarning as CompileWarning
    from tract.messages.message import Message as Message
    from tract.objects.content import ArtifactContent as ArtifactContent
    from tract.objects.content import DialogueContent as DialogueContent
    from tract.objects.content import FreeformContent as FreeformContent
    from tract.objects.content import InstructionContent as InstructionContent
    from tract.objects.content import MessageContent as MessageContent
    from tract.objects.content import OutputContent as OutputContent
    from tract.objects.content import ReasoningContent as ReasoningContent
    from tract.objects.content import RecordContent as RecordContent
    from tract.objects.content import SessionContent as SessionContent
    from tract.objects.content import ToolIOContent as ToolIOContent
    from tract.objects.content import validate_content as validate_content
    from tract.objects.model import CommitOperation as CommitOperation
    from tract.remote.branches import PushedRef as PushedRef
    from tract.remote.fetch import FetchedRef as FetchedRef
    from tract.remote.pull import FetchResult as FetchResult
    from tract.remote.pull import PullResult as PullResult
    from tract.remote.push import PushResult as PushResult
    from tract.remote.remotes import RemoteInfo as RemoteInfo
    from tract.report.diff import CommitDetails as CommitDetails
    from tract.report.diff import ConfigChange as ConfigChange
    from tract.report.diff import DiffResult as DiffResult
    from tract.report.diff import DiffStat as DiffStat
    from tract.report.diff import MessageDiff as MessageDiff
    from tract.report.diff import MessageVersion as MessageVersion
    from tract.report.forensics import BlameEntry as BlameEntry
    from tract.report.info import CommitInfo as CommitInfo
    from tract.report.search import SearchHit as SearchHit
    from tract.report.spending import UsageReport as UsageReport
    from tract.report.spending import UsageRow as UsageRow
    from tract.report.status import StatusInfo as StatusInfo
    from tract.report.tracts import TractInfo as TractInfo
    from tract.tokens.counter import EstimateTokenCounter as EstimateTokenCounter
    from tract.tokens.counter import NullTokenCounter as NullTokenCounter
    from tract.tokens.counter import TiktokenCounter as TiktokenCounter
    from tract.tokens.counter import TokenCounter as TokenCounter
    from tract.tokens.usage import TokenUsage as TokenUsage
    from tract.writing.stream import MessageStream as MessageStream


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'tract' has no attribute {name!r}")
    import typing  # noqa: F401  # before tract.annotations is: who asks here may look into types
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
