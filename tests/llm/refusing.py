"""A provider on loopback that refuses what the providers refuse: a process of its own, ``python -m tests.llm.refusing``.

It prints its port on a line, and ends when its standard input does.

    POST …/chat/completions   POST …/responses   POST …/messages   POST …:generateContent

A request whose messages break a rule (tests/messages/validators.py) gets status 400 and the reasons, in the provider's words for an error; any other a short answer.
Nothing may be open: a call that waits for its result is refused too, as it is by the providers.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.messages.validators import anthropic_faults, chat_faults, gemini_faults, responses_faults


def faults_of(path: str, body: dict[str, Any]) -> list[str]:
    if path.endswith("/chat/completions"):
        return chat_faults(body["messages"])
    if path.endswith("/responses"):
        return responses_faults(body["input"])
    if path.endswith("/messages"):
        return anthropic_faults({key: body[key] for key in ("system", "messages") if key in body})
    return gemini_faults({"contents": body["contents"], **({"system_instruction": body["system_instruction"]} if "system_instruction" in body else {})})  # fmt: skip


def refusal(path: str, faults: list[str]) -> dict[str, Any]:
    said = "; ".join(faults)
    if path.endswith("/messages"):
        return {"type": "error", "error": {"type": "invalid_request_error", "message": said}}
    if path.endswith(":generateContent"):
        return {"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}
    return {"error": {"message": said, "type": "invalid_request_error", "param": "messages", "code": None}}


def answer(path: str) -> dict[str, Any]:
    if path.endswith("/chat/completions"):
        choice = {"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8}
        return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    if path.endswith("/responses"):
        part = {"type": "output_text", "text": "fine", "annotations": []}
        item = {"type": "message", "id": "msg_9", "role": "assistant", "status": "completed", "content": [part]}
        return {"id": "r", "object": "response", "created_at": 1, "model": "m", "output": [item], "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}  # fmt: skip
    if path.endswith("/messages"):
        content = [{"type": "text", "text": "fine"}]
        usage = {"input_tokens": 7, "output_tokens": 1}
        return {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": content, "stop_reason": "end_turn", "usage": usage}  # fmt: skip
    return {"candidates": [{"content": {"role": "model", "parts": [{"text": "fine"}]}, "finishReason": "STOP"}]}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.partition("?")[0]
        try:
            faults = faults_of(path, body)
        except (
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
        ) as exc:  # what the model of a provider cannot read, a provider does not take
            faults = [f"{type(exc).__name__}: {exc}"]
        data = json.dumps(refusal(path, faults) if faults else answer(path)).encode()
        self.send_response(400 if faults else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
