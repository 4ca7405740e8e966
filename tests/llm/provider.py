"""A server that speaks as model providers do, well or badly. A process of its own: ``python provider.py``.

It prints its port on a line. ``server.py`` beside it starts and scripts it.

    POST …/chat/completions      OpenAI        POST …/messages      Anthropic
    POST /control/script         replies for the next questions, in order
    POST /control/reset          forget script and questions
    GET  /control/requests       the questions so far

A question gets the next scripted reply; without one, the reply its model's name stands for in ``NAMED``; else its last message's text back.
A reply is a JSON object (``server.py`` has a function for each kind):

    {"text", "finish_reason"?, "usage"?, "tool_calls"?, "pieces"?, "delay"?}
    {"status", "headers"?, "body"?}                             any answer with a length
    {"chunks": [latin-1], "pause"?, "end": "close" | "reset" | "hang"}    raw bytes, headers and all
"""

from __future__ import annotations

import json
import socket
import socketserver
import struct
import sys
import threading
import time
from typing import Any

REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
BIG = 1 << 20


def chunked(body: bytes, size: int) -> bytes:
    cut = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in cut) + b"0\r\n\r\n"


def head(status: int, headers: dict[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode("latin-1")


def usage_of(reply: dict[str, Any], protocol: str) -> dict[str, Any]:
    if "usage" in reply:
        return reply["usage"]
    if protocol == "openai":
        return {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return {"input_tokens": 7, "output_tokens": 3}


def openai_answer(reply: dict[str, Any], model: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.get("text"), "refusal": None}
    if reply.get("tool_calls"):
        message["tool_calls"] = reply["tool_calls"]
    choice = {"index": 0, "message": message, "finish_reason": reply.get("finish_reason", "stop"), "logprobs": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [choice],
        "usage": usage_of(reply, "openai"),
    }


def anthropic_answer(reply: dict[str, Any], model: str) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = [{"type": "text", "text": reply["text"]}] if reply.get("text") else []
    for call in reply.get("tool_calls") or []:
        arguments = json.loads(call["function"]["arguments"])
        blocks.append({"type": "tool_use", "id": call["id"], "name": call["function"]["name"], "input": arguments})
    reason = reply.get("finish_reason", "stop")
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        "stop_reason": REASONS.get(reason, reason),
        "stop_sequence": None,
        "usage": usage_of(reply, "anthropic"),
    }


def pieces_of(reply: dict[str, Any]) -> list[str]:
    text = reply.get("text") or ""
    return reply.get("pieces") or [text[at : at + 4] for at in range(0, len(text), 4)]


def openai_events(reply: dict[str, Any], model: str, with_usage: bool) -> list[str]:
    def chunk(delta: dict[str, Any], reason: str | None = None) -> str:
        choices = [{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}]
        return json.dumps(base | {"choices": choices}, ensure_ascii=False)

    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model}
    events = [chunk({"role": "assistant", "content": None if reply.get("text") is None else "", "refusal": None})]
    events += [chunk({"content": piece}) for piece in pieces_of(reply)]
    for index, call in enumerate(reply.get("tool_calls") or []):
        arguments = call["function"]["arguments"]
        first = call | {"index": index, "function": {"name": call["function"]["name"], "arguments": ""}}
        events.append(chunk({"tool_calls": [first]}))
        halves = arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]
        events += [chunk({"tool_calls": [{"index": index, "function": {"arguments": half}}]}) for half in halves]
    events.append(chunk({}, reply.get("finish_reason", "stop")))
    if with_usage:
        events.append(json.dumps(base | {"choices": [], "usage": usage_of(reply, "openai")}))
    return [f"data: {event}\n\n" for event in [*events, "[DONE]"]]


def anthropic_events(reply: dict[str, Any], model: str) -> list[str]:
    answer = anthropic_answer(reply, model)
    start = answer | {"content": [], "stop_reason": None, "usage": answer["usage"] | {"output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(answer["content"]):
        if block["type"] == "text":
            empty, deltas = block | {"text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces_of(reply)]
        else:
            text = json.dumps(block["input"], ensure_ascii=False)
            halves = "", text[: len(text) // 2], text[len(text) // 2 :]
            empty = block | {"input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": half} for half in halves]
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    end = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": answer["usage"].get("output_tokens", 0)}
    events += [{"type": "message_delta", "delta": end, "usage": usage}, {"type": "message_stop"}]
    return [f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events]


def events_of(reply: dict[str, Any], question: dict[str, Any], protocol: str) -> list[str]:
    model = question["model"]
    if protocol == "anthropic":
        return anthropic_events(reply, model)
    return openai_events(reply, model, bool((question.get("stream_options") or {}).get("include_usage")))


def spoken(reply: dict[str, Any], question: dict[str, Any], protocol: str, *, size: int = BIG) -> bytes:
    """A good answer, whole or streamed; its stream in pieces of *size* bytes."""
    headers = {"x-request-id": "req-1"} if protocol == "openai" else {"request-id": "req-1"}
    if question.get("stream"):
        body = "".join(events_of(reply, question, protocol)).encode()
        headers |= {"content-type": "text/event-stream; charset=utf-8", "transfer-encoding": "chunked"}
        return head(200, headers) + chunked(body, size)
    make = openai_answer if protocol == "openai" else anthropic_answer
    body = json.dumps(make(reply, question["model"]), ensure_ascii=False).encode()
    return head(200, headers | {"content-type": "application/json", "content-length": str(len(body))}) + body


def error(status: int, kind: str, message: str, **headers: str) -> dict[str, Any]:
    body = {"type": "error", "error": {"type": kind, "message": message, "code": kind}}
    return {"status": status, "headers": headers, "body": json.dumps(body)}


def raw(data: bytes, *, size: int = BIG, pause: float = 0.0, end: str = "close") -> dict[str, Any]:
    chunks = [data[at : at + size].decode("latin-1") for at in range(0, len(data), size)]
    return {"chunks": chunks, "pause": pause, "end": end}


HELLO = {"text": "Grüße, 世界 👋"}


def cut_stream(question: dict[str, Any], protocol: str, *, end: str = "close", framed: bool = True) -> dict[str, Any]:
    """A stream that stops after two pieces of text; not *framed*: without chunks, so that the cut looks like the end."""
    events = events_of({"text": "one two three four"}, question, protocol)
    body = "".join(events[: 3 if protocol == "openai" else 5]).encode()
    headers = {"content-type": "text/event-stream"} | ({"transfer-encoding": "chunked"} if framed else {})
    data = b"%x\r\n%s\r\n" % (len(body), body) if framed else body
    return raw(head(200, headers) + data, end=end)


def error_in_stream(question: dict[str, Any], protocol: str, *, after: int, kind: str) -> dict[str, Any]:
    inner = {"type": kind, "message": "Overloaded"}
    name = "event: error\n" if protocol == "anthropic" else ""
    event = f"{name}data: {json.dumps({'type': 'error', 'error': inner})}\n\n"
    body = "".join([*events_of({"text": "one two three"}, question, protocol)[:after], event]).encode()
    return raw(head(200, {"content-type": "text/event-stream", "content-length": str(len(body))}) + body)


def named(model: str, question: dict[str, Any], protocol: str) -> dict[str, Any] | bytes | None:
    """The reply that *model*'s name stands for; None for a name that is none of ours."""
    good = spoken(HELLO, question, protocol)
    json_head = head(200, {"content-type": "application/json"})
    match model:
        case "hello":
            return good
        case "in-bytes":  # every byte of the body in a chunk of its own
            return spoken(HELLO, question, protocol, size=1)
        case "in-sevens":
            return spoken(HELLO, question, protocol, size=7)
        case "crlf":
            body = "".join([": hi\r\n\r\n", *events_of(HELLO, question, protocol)]).replace("\n", "\r\n").encode()
            framed = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
            return raw(head(200, framed) + chunked(body, 3))
        case "401":
            return error(401, "invalid_api_key", f"Incorrect API key provided: {question['said']}")
        case "403":
            return error(403, "permission_error", "not for you")
        case "429":
            return error(429, "rate_limit_error", "slow down")
        case "429-later":
            return error(429, "rate_limit_error", "slow down", **{"retry-after": "7200"})
        case "429-quota":
            return error(429, "insufficient_quota", "pay first")
        case "500":
            return error(500, "api_error", "it broke\x1b[31m\nhere")
        case "400":
            return error(400, "invalid_request_error", "no such thing")
        case "redirect":
            return {"status": 307, "headers": {"location": "/v1/elsewhere/chat/completions"}, "body": ""}
        case "error-in-200":
            said = json.dumps({"error": {"message": "busy", "code": 502}})
            return {"status": 200, "headers": {"content-type": "application/json"}, "body": said}
        case "cut-stream":
            return cut_stream(question, protocol)
        case "cut-stream-quietly":
            return cut_stream(question, protocol, framed=False)
        case "cut-stream-reset":
            return cut_stream(question, protocol, end="reset")
        case "hanging-stream":
            return cut_stream(question, protocol, end="hang")
        case "error-in-stream":
            return error_in_stream(question, protocol, after=5, kind="overloaded_error")
        case "early-error-in-stream":
            return error_in_stream(question, protocol, after=1, kind="overloaded_error")
        case "cut-headers":
            return raw(good[:30])
        case "cut-body":
            return raw(good[:-20])
        case "nothing":
            return raw(b"")
        case "silent":
            return raw(b"", end="hang")
        case "drip":
            return raw(json_head + b" " * 4000, size=20, pause=0.02)
        case "not-json":
            return raw(json_head + b'{"choices": [{"mess')
        case "html":
            return {"status": 200, "headers": {"content-type": "text/html"}, "body": "<html>Please log in</html>"}
        case "not-utf8":
            return raw(json_head + b'{"choices": "\xff"}')
        case "nan":
            return raw(json_head + b'{"choices": NaN}')
        case "huge":
            return raw(json_head + b" " * (1 << 22), size=1 << 16)
        case "deep":
            return raw(json_head + b"[" * 200_000)
        case "empty":
            return {"status": 200, "headers": {"content-type": "application/json"}, "body": ""}
    return None


class State:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.script: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.released = threading.Event()  # lets hanging replies go


STATE = State()


class Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self) -> None:
        try:
            while self.one_request():
                pass
        except (ConnectionError, TimeoutError):
            pass

    def one_request(self) -> bool:
        """Answers one request; False when the connection is over."""
        line = self.rfile.readline()
        if not line.strip():
            return False
        method, path, _ = line.decode("latin-1").split(" ", 2)
        headers: dict[str, str] = {}
        while (line := self.rfile.readline()).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = self.rfile.read(int(headers.get("content-length", "0")))
        if path.startswith("/control/"):
            return self.control(path, body)
        return self.answer(method, path, headers, json.loads(body or b"{}"))

    def control(self, path: str, body: bytes) -> bool:
        with STATE.lock:
            said: Any = {}
            if path == "/control/script":
                STATE.script += json.loads(body)
            elif path == "/control/requests":
                said = STATE.requests
            elif path == "/control/reset":
                STATE.script, STATE.requests = [], []
                STATE.released.set()
                STATE.released = threading.Event()
        return self.say(json.dumps(said).encode())

    def say(self, body: bytes) -> bool:
        self.wfile.write(head(200, {"content-length": str(len(body))}) + body)
        return True

    def answer(self, method: str, path: str, headers: dict[str, str], question: dict[str, Any]) -> bool:
        protocol = "anthropic" if path.split("?")[0].endswith("/messages") else "openai"
        with STATE.lock:
            STATE.requests.append(
                {"method": method, "path": path, "headers": headers, "body": question, "at": time.monotonic()}
            )
            reply: Any = STATE.script.pop(0) if STATE.script else None
            released = STATE.released
        question = question | {"said": headers.get("authorization") or headers.get("x-api-key")}
        if isinstance(reply, dict) and "named" in reply:
            reply = named(reply["named"], question, protocol)
        if reply is None:
            reply = named(str(question.get("model")), question, protocol)
        if reply is None:
            reply = {"text": str((question.get("messages") or [{}])[-1].get("content"))}
        if isinstance(reply, bytes):
            self.wfile.write(reply)
            return True
        time.sleep(reply.get("delay", 0.0))
        if "chunks" in reply:
            self.send_raw(reply, released)
            return False
        if "status" in reply:
            body = (reply.get("body") or "").encode()
            headers = reply.get("headers", {}) | {"content-length": str(len(body))}
            self.wfile.write(head(reply["status"], headers) + body)
            return True
        self.wfile.write(spoken(reply, question, protocol))
        return True

    def send_raw(self, reply: dict[str, Any], released: threading.Event) -> None:
        for chunk in reply["chunks"]:
            self.wfile.write(chunk.encode("latin-1"))
            time.sleep(reply.get("pause", 0.0))
        if reply.get("end") == "hang":
            released.wait(10)
        elif reply.get("end") == "reset":
            # Closing with no patience makes the kernel answer with a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Connection) as server:
        print(server.server_address[1], flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()  # whoever started us holds the other end: when it is gone, so are we
