"""The code blocks of a page, and how they are run: by the tests, and by ``scripts/check-package`` with nothing but tract installed.

python pages.py PAGE SAMPLES      runs the blocks of PAGE in a new folder, with what is installed
"""

from __future__ import annotations

import doctest
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
RUN = {"python", "console"}
# What a reader runs once, to set up; the suite itself runs from there.
SETS_UP = ("scripts/try", "scripts/test", "git clone", "pip install", "cd ")


class Block(NamedTuple):
    line: int
    language: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = [Block(text[: m.start()].count("\n") + 1, m[1], m[2]) for m in BLOCK.finditer(text)]
    return [block for block in found if block.language in RUN]


def run_python(block: Block, names: dict[str, object], page: Path) -> None:
    if ">>> " not in block.text:
        exec(compile(block.text, f"{page.name}:{block.line}", "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(block.text, names, page.name, str(page), block.line)
    output: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=output.append, clear_globs=False)
    names.update(test.globs)
    assert not output, "".join(output)


def run_console(block: Block, folder: Path, environment: dict[str, str]) -> None:
    for command, expected in commands_of(block.text):
        if command.startswith(SETS_UP):
            continue
        done = subprocess.run(
            command, shell=True, cwd=folder, env=environment, text=True, capture_output=True, check=False
        )
        shown = done.stdout + done.stderr
        if expected:
            assert fits(same(expected), same(shown)), f"line {block.line}: $ {command}\n{shown}"
        else:
            assert done.returncode == 0, f"line {block.line}: $ {command}\n{shown}"


def commands_of(text: str) -> list[tuple[str, str]]:
    """Each ``$`` line, continued over backslashes and ``>`` lines, with the output below it."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1] = (found[-1][0] + "\n" + line[2:], "")
        elif found:
            found[-1] = (found[-1][0], found[-1][1] + line + "\n")
    return found


def fits(expected: str, shown: str) -> bool:
    """Whether a page shows what is *shown*: a line ``…`` of its stands for any lines."""
    start, more, end = expected.partition("\n…\n")
    return shown == expected or bool(more and shown.startswith(start) and shown.endswith(end))


def same(text: str) -> str:
    """*text* without what differs from run to run."""
    text = re.sub(r"\b[0-9a-f]{10,64}\b", "<id>", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?( ?[+-]\d\d:?\d\d| UTC|Z)?", "<time>", text)
    text = re.sub(r"Author: .*", "Author: <author>", text)
    text = re.sub(r"Date:  .*", "Date: <date>", text)
    text = re.sub(r"\d[\d,.]* (µs|ms|s)\b", "<duration>", text)
    text = re.sub(r"/[^\s']*/\.tract", "<store>", text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


# What the model of the pages says to a question with that word, and the tokens that it counts.
ANSWERS = {
    "jacket": ("60 days.", 31, 4),
    "towels": ("You can return towels within 60 days.", 41, 9),
    "parcel": ("It was delivered on 6 March, to the neighbour.", 90, 12),
}


class Model(BaseHTTPRequestHandler):
    """Answers as OpenAI and Anthropic do: with a call of the first tool there is, and when that was answered with a text of ``ANSWERS``."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        words = json.dumps(asked["messages"])
        text, read, written = next((said for word, said in ANSWERS.items() if word in words), ("Noted.", 20, 2))
        if self.path.endswith("/messages"):
            body: dict[str, Any] = {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": asked["model"],
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": read, "output_tokens": written},
            }
        else:
            message: dict[str, Any] = {"role": "assistant", "content": text}
            if asked.get("tools") and asked["messages"][-1]["role"] == "user":
                function = {"name": asked["tools"][0]["function"]["name"], "arguments": '{"order": "48213"}'}
                message |= {"content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]}
            usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            body = {"id": "c", "object": "chat.completion", "created": 1, "model": asked["model"], "choices": [choice]}
            body["usage"] = usage
            if asked.get("stream"):
                calls = [{"index": at, **call} for at, call in enumerate(message.get("tool_calls", ()))]
                delta = {**message, **({"tool_calls": calls} if calls else {})}
                chunk = {**body, "object": "chat.completion.chunk", "usage": None}
                events = [
                    {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
                    {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
                    {**chunk, "choices": [], "usage": usage},
                ]
                self._send(
                    "text/event-stream", "".join(f"data: {json.dumps(one)}\n\n" for one in events) + "data: [DONE]\n\n"
                )
                return
        self._send("application/json", json.dumps(body))

    def _send(self, kind: str, body: str) -> None:
        data = body.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def model() -> Iterator[None]:
    """A model on this machine, which the SDKs' clients find by the environment."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    before = dict(os.environ)
    os.environ |= {"OPENAI_API_KEY": "sk-page", "OPENAI_BASE_URL": f"{address}/v1", "NO_PROXY": "127.0.0.1"}
    os.environ |= {"ANTHROPIC_API_KEY": "sk-page", "ANTHROPIC_BASE_URL": address}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before
        server.shutdown()
        server.server_close()


def run_page(page: Path, samples: Path, variables: Mapping[str, str]) -> None:
    """Run all blocks of *page* in the working folder, which gets a copy of *samples*; commands see *variables*, too."""
    shutil.copytree(samples, Path("docs", "samples"))
    binaries = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": binaries + os.pathsep + os.environ["PATH"],
        "COLUMNS": "100",
        "TRACT_AUTHOR_NAME": "you",
        **variables,
    }
    names: dict[str, object] = {"__name__": "page"}
    with model():
        for block in blocks_of(page):
            if block.language == "python":
                run_python(block, names, page)
            else:
                run_console(block, Path.cwd(), environment)


if __name__ == "__main__":
    page, samples = (Path(word).resolve() for word in sys.argv[1:])
    os.chdir(tempfile.mkdtemp())
    run_page(page, samples, {})
    print(f"{page.name}: {len(blocks_of(page))} blocks ran")
