"""A model on loopback for scripts/resume-check: Anthropic's messages, OpenAI's responses and Gemini's contents; it says ok, and writes down what it was sent.

resume_model.py FILE        prints its port; a line of JSON for each request goes to FILE
"""

from __future__ import annotations

import http.server
import json
import sys
from typing import Any

ITEM = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "ok", "annotations": []}],
}
COUNTED = {
    "input_tokens": 5,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 1,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 6,
}
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "ok"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 1, "totalTokenCount": 6},
}


def claude(model: str) -> list[dict[str, Any]]:
    about = {"id": "msg_x", "type": "message", "role": "assistant", "model": model, "content": []}
    ends = {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 5, "output_tokens": 1}}
    return [
        {"type": "message_start", "message": {**about, **ends}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ok"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]


def codex() -> list[dict[str, Any]]:
    return [
        {"type": "response.created", "response": {"id": "r1"}},
        {"type": "response.output_item.done", "output_index": 0, "item": ITEM},
        {"type": "response.completed", "response": {"id": "r1", "output": [ITEM], "usage": COUNTED}},
    ]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        data = b""
        while True:
            size = int(self.rfile.readline().strip() or b"0", 16)
            data += self.rfile.read(size)
            self.rfile.readline()
            if not size:
                return data

    def say(self, text: str, kind: str = "application/json") -> None:
        data = text.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def say_events(self, events: list[dict[str, Any]], *, named: bool = True) -> None:
        name = "event: {type}\n" if named else ""
        self.say("".join(f"{name.format(**e)}data: {json.dumps(e)}\n\n" for e in events), "text/event-stream")

    def do_GET(self) -> None:
        self.say('{"data": [], "models": []}')

    def do_POST(self) -> None:
        body = json.loads(self.body() or b"{}")
        path = self.path.split("?")[0]
        with open(sys.argv[1], "a", encoding="utf-8") as file:
            file.write(json.dumps({"path": path, "body": body}) + "\n")
        if path.endswith("/messages") and body.get("stream"):
            self.say_events(claude(str(body.get("model"))))
        elif path.endswith("/messages"):
            start = claude(str(body.get("model")))[0]["message"]
            self.say(json.dumps({**start, "content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn"}))
        elif path.endswith("/responses"):
            self.say_events(codex())
        elif "enerateContent" in path and "stream" in path:
            self.say_events([GEMINI], named=False)
        elif "enerateContent" in path:
            self.say(json.dumps(GEMINI))
        else:
            self.say('{"input_tokens": 5, "totalTokens": 5}')


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
