"""The input of a command: text or JSON, on the command line or on the standard input, and the model to ask."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

from tract.cli.command import Args, Param
from tract.cli.console import Console, is_terminal
from tract.errors import ContentValidationError, LLMConfigError, TractError
from tract.objects.content import DialogueContent, InstructionContent, MessageContent, Role

if TYPE_CHECKING:
    from tract.llm.client import ProviderClient

MODEL_PARAMS = (
    Param(
        "provider",
        ("--provider",),
        metavar="NAME",
        choices=("openai", "anthropic"),
        help="The provider of the model: openai (or any server at OPENAI_BASE_URL), or anthropic. Default: the one whose key is set.",
    ),
    Param("model", ("--model",), metavar="MODEL", help="The model. Default: the provider's default model."),
)

PRINT_JSON = Param("print_json", ("--print-json",), bool, help="Print the commit as a JSON document.")
"""For the commands whose --json describes their input."""

_SCISSORS = "------------------------ >8 ------------------------"

_KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}


def given_text(console: Console, text: str | None) -> str | None:
    """The text of an argument; ``-``, or no argument if input is piped in, means the standard input.

    The newline that ends the input is not part of it. None if there is no text.
    """
    if text is None and is_terminal(console.stdin):
        return None
    if text is None or text == "-":
        return console.read_stdin().removesuffix("\n")
    return text


def edited_text(console: Console, text: str, about: str) -> str | None:
    """*text* as the user left it in an editor, without its last newline; None if there is no terminal or no editor.

    *about* explains the text's purpose below it. TractError if the editor fails.
    """
    command = _editor(console)
    if command is None:
        return None
    import subprocess
    import tempfile

    with tempfile.NamedTemporaryFile(
        "w+", prefix="TRACT_EDITMSG-", suffix=".md", encoding="utf-8", errors="surrogateescape"
    ) as file:
        file.write(
            f"{text}\n{_SCISSORS}\n{about}\nThis line and what is below the one above are not part of the message.\n"
        )
        file.flush()
        console.flush()
        done = subprocess.run(
            [*command, file.name], cwd=console.folder, env={**os.environ, **console.environ}, check=False
        )
        if done.returncode != 0:
            raise TractError(f"the editor '{command[0]}' ended with status {done.returncode}; nothing was changed")
        with open(file.name, encoding="utf-8", errors="surrogateescape") as again:  # many editors write a new file
            found = again.read()
    return found.partition(_SCISSORS)[0].rstrip("\n")


def _editor(console: Console) -> list[str] | None:
    """The command that edits a file, as a shell would split it."""
    if not (is_terminal(console.stdin) and console.is_terminal):
        return None
    import shlex
    import shutil

    from tract.cli.user_settings import user_setting

    environ = console.environ
    for command in (
        environ.get("TRACT_EDITOR"),
        user_setting(console, "editor"),
        environ.get("VISUAL"),
        environ.get("EDITOR"),
    ):
        if command:
            return shlex.split(command)
    found = shutil.which("vi", path=environ.get("PATH", ""))
    return None if found is None else [found]


def summary_text(console: Console, args: Args, about: Callable[[], str]) -> str | None:
    """The summary in *args*, or from a pipe; on a terminal, without a named model or a key, the text written in the editor; None if a model writes it.

    TractError if it was left empty.
    """
    if args.content is not None:
        return given_text(console, args.content)
    if args.provider or args.model or any(console.environ.get(key) for key in _KEYS.values()):
        return None
    if _editor(console) is None:
        return None
    text = edited_text(console, "", about())
    if text is not None and not text.strip():
        raise TractError("the summary is empty; nothing was changed")
    return text


def message_of_role(role: str, text: str, name: str | None = None, call_id: str | None = None) -> Any:
    """The content for *text* in *role*; ``system`` makes an instruction, which is pinned."""
    if role == "tool":
        if not call_id:
            raise ContentValidationError("what a tool answered needs the call it answers (--call-id)")
        return MessageContent({"role": "tool", "tool_call_id": call_id, "content": text})
    if role == "system" and name is None:
        return InstructionContent(text)
    return DialogueContent(cast("Role", role), text, name)


def read_json(text: str, what: str) -> dict[str, Any]:
    """The JSON object in *text*."""
    from tract.adapters.transcripts.strictjson import Refused, flaw, parse  # brings readers that text needs not

    value = parse(text.encode("utf-8", "surrogateescape"))
    if isinstance(value, Refused):
        said = value.reason if value.reason.startswith("not JSON") else f"refused: {value.reason}"
        raise ContentValidationError(f"{what} is {said}")
    refused = flaw(value)
    if refused is not None:
        raise ContentValidationError(f"{what} is refused: {refused}")
    if not isinstance(value, dict):
        raise ContentValidationError(f"{what} must be a JSON object, not {type(value).__name__}")
    return value


def content_from_json(text: str) -> Any:
    """The content in a JSON object: a content type's map, a provider's message, or an item of the Responses API."""
    value = read_json(text, "the message")
    if "content_type" not in value and "role" not in value and isinstance(value.get("type"), str):
        return MessageContent(value, format="responses")
    return value


def open_client(console: Console, args: Args) -> closing[ProviderClient]:
    """The client of the named provider, else of the one whose key is in the environment; it closes with the block.

    LLMConfigError if there is no key.
    """
    found = [name for name, key in _KEYS.items() if console.environ.get(key)]
    provider = args.provider or (found[0] if found else None)
    if provider is None:
        raise LLMConfigError(f"no model to ask: neither {' nor '.join(_KEYS.values())} is set")
    key = console.environ.get(_KEYS[provider], "")
    if not key:
        raise LLMConfigError(f"no key for the provider: {_KEYS[provider]} is not set")
    return closing(_client(console, provider, key))


def _client(console: Console, provider: str, key: str) -> Any:
    # httpx takes longer to load than most commands to run.
    if provider == "openai":
        from tract.llm.clients import OpenAIClient

        return OpenAIClient(key, console.environ.get("OPENAI_BASE_URL"))
    from tract.llm.clients import AnthropicClient

    return AnthropicClient(key, console.environ.get("ANTHROPIC_BASE_URL"))
