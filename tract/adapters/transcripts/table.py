"""The formats that can be read, the more special ones first; those that may be any provider's come last."""

from __future__ import annotations

from functools import partial

from tract.adapters.transcripts.conversations import Format
from tract.adapters.transcripts.formats import is_message
from tract.adapters.transcripts.readers.aider import is_aider_history, read_aider
from tract.adapters.transcripts.readers.bedrock import is_bedrock_message, read_bedrock
from tract.adapters.transcripts.readers.chatgpt import is_chatgpt_conversation, read_chatgpt
from tract.adapters.transcripts.readers.claude_ai import is_claude_ai_conversation, read_claude_ai
from tract.adapters.transcripts.readers.claude_code import is_claude_code_record, read_claude_code
from tract.adapters.transcripts.readers.codex import is_codex_record, read_codex
from tract.adapters.transcripts.readers.gemini import is_gemini_content, read_contents
from tract.adapters.transcripts.readers.gemini_cli import is_gemini_session, read_gemini_cli
from tract.adapters.transcripts.readers.inspect_ai import is_inspect_message, read_inspect
from tract.adapters.transcripts.readers.langchain import is_langchain_message, read_langchain
from tract.adapters.transcripts.readers.llm_database import is_sqlite, read_llm_database
from tract.adapters.transcripts.readers.message_tree import is_of_message_trees, read_message_trees
from tract.adapters.transcripts.readers.messages import read_messages
from tract.adapters.transcripts.readers.openhands import is_openhands_event, read_openhands
from tract.adapters.transcripts.readers.otel import is_otel_span, read_otel
from tract.adapters.transcripts.readers.preferences import is_preference, read_preference
from tract.adapters.transcripts.readers.pydantic_ai import is_pydantic_message, read_pydantic
from tract.adapters.transcripts.readers.request_logs import is_logged_request, read_logged_request
from tract.adapters.transcripts.readers.sharegpt import is_sharegpt_item, read_sharegpt
from tract.adapters.transcripts.readers.tau2_bench import is_tau2_message, read_tau2
from tract.adapters.transcripts.readers.valued_parts import is_valued_message, read_valued
from tract.adapters.transcripts.readers.vercel_ai import is_vercel_message, read_vercel
from tract.objects.message_format import JSON, MESSAGE_FORMATS


def _nothing(_value: JSON) -> bool:
    return False


TABLE: tuple[Format, ...] = (
    Format("aider", "aider's chat history, in Markdown", "file", is_aider_history, read_aider),
    Format("llm", "the log of the command llm, a database", "file", is_sqlite, read_llm_database),
    Format("claude-code", "transcripts of Claude Code", "records", is_claude_code_record, read_claude_code),
    Format("codex", "rollouts of Codex", "records", is_codex_record, read_codex),
    Format("gemini-cli", "sessions of the Gemini command line", "records", is_gemini_session, read_gemini_cli),
    Format("openhands", "events of OpenHands", "records", is_openhands_event, read_openhands),
    Format("message-tree", "trees of messages, as Open-Assistant's", "records", is_of_message_trees, read_message_trees),
    Format("chatgpt", "the export of ChatGPT", "conversation", is_chatgpt_conversation, read_chatgpt),
    Format("claude-ai", "the export of Claude.ai", "conversation", is_claude_ai_conversation, read_claude_ai),
    Format("otel", "spans of OpenTelemetry's GenAI conventions", "conversation", is_otel_span, read_otel),
    Format("preferences", "questions with a chosen and a rejected answer, or only one, for training: TRL, LLaMA-Factory, Alpaca, MT-Bench", "conversation", is_preference, read_preference),
    Format("requests", "logged requests with their answers, and files of batch APIs", "conversation", is_logged_request, read_logged_request),
    Format("langchain", "messages of LangChain and LangGraph", "messages", is_langchain_message, read_langchain),
    Format("pydantic-ai", "messages of Pydantic AI", "messages", is_pydantic_message, read_pydantic),
    Format("llama-factory", "LLaMA-Factory's messages, with parts that have a value", "messages", is_valued_message, read_valued),
    Format("vercel-ai", "messages of Vercel's AI SDK", "messages", is_vercel_message, read_vercel),
    Format("bedrock", "messages of Amazon Bedrock's Converse API", "messages", is_bedrock_message, read_bedrock),
    Format("gemini", "contents of Gemini's API", "messages", is_gemini_content, read_contents),
    Format("tau2-bench", "simulations of tau2-bench", "messages", is_tau2_message, read_tau2),
    Format("inspect-ai", "samples of an evaluation with Inspect AI", "messages", is_inspect_message, read_inspect),
    Format("sharegpt", "training sets of from and value: ShareGPT, ToolBench", "messages", is_sharegpt_item, read_sharegpt),
    Format("anthropic", "messages of Anthropic's API", "messages", _nothing, partial(read_messages, format="anthropic")),
    Format("responses", "items of OpenAI's Responses API", "messages", _nothing, partial(read_messages, format="responses")),
    Format("openai", "chat completions: messages, and the answer that a log has beside them", "messages", is_message, read_messages),
)  # fmt: skip

FORMATS: tuple[str, ...] = tuple(format.name for format in reversed(TABLE))
"""The formats that can be read, by the names that ``read_transcript`` accepts and returns."""


def formats_for(name: str | None) -> tuple[Format, ...]:
    """The formats that a file may have: all, or only the one called *name*."""
    if name is None:
        return TABLE
    (found,) = (format for format in TABLE if format.name == name)
    for format in MESSAGE_FORMATS:
        if name == format:  # plain messages alone do not show it
            return (found._replace(detect=is_message, read=partial(read_messages, format=format)),)
    return (found,)
