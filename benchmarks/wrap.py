"""Wrapped clients: ``python -m benchmarks.wrap [--rounds N]``: what a call through one costs more than through the bare client.

The server is a process on loopback; what is taken is the processor time of this process alone, of both clients in turn with the same list, which grows by an answer and a question each time.
Medians of the rounds, and of the differences of the pairs.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.record import texts
from tract import Tract, wrap

PROVIDER = Path(__file__).parents[1] / "tests" / "llm" / "provider.py"

Call = Callable[[list[dict[str, Any]]], Any]


@contextmanager
def serving() -> Iterator[str]:
    """The address of a server that says back what it was asked last."""
    with subprocess.Popen([sys.executable, PROVIDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


def openai_calls(address: str, t: Tract, *, stream: bool) -> tuple[Call, Call]:
    import openai

    def call(client: Any) -> Call:
        def ask(messages: list[dict[str, Any]]) -> Any:
            made = client.chat.completions.create(model="m", messages=messages, stream=stream)
            return "".join(one.choices[0].delta.content or "" for one in made) if stream else made.choices[0].message.content  # fmt: skip

        return ask

    clients = [openai.OpenAI(api_key="k", base_url=f"{address}/v1", max_retries=0) for _ in range(2)]
    return call(clients[0]), call(wrap(clients[1], t))


def anthropic_calls(address: str, t: Tract, *, stream: bool) -> tuple[Call, Call]:
    import anthropic

    def call(client: Any) -> Call:
        def ask(messages: list[dict[str, Any]]) -> Any:
            made = client.messages.create(model="m", max_tokens=9, messages=messages, stream=stream)
            if stream:
                pieces = [one.delta.text for one in made if one.type == "content_block_delta"]
                return [{"type": "text", "text": "".join(pieces)}]
            return [part.model_dump(exclude_none=True) for part in made.content]

        return ask

    clients = [anthropic.Anthropic(api_key="k", base_url=address, max_retries=0) for _ in range(2)]
    return call(clients[0]), call(wrap(clients[1], t))


def spent(call: Call, messages: list[dict[str, Any]]) -> tuple[Any, float]:
    begun = time.process_time()
    said = call(messages)
    return said, (time.process_time() - begun) * 1000


def measure(name: str, make: Callable[..., tuple[Call, Call]], count: int, rounds: int, *, stream: bool) -> None:
    pairs: list[tuple[float, float]] = []
    format = "anthropic" if make is anthropic_calls else "openai"
    with serving() as address, tempfile.TemporaryDirectory() as folder, Tract.open(folder, durability="process") as t:
        bare, wrapped = make(address, t, stream=stream)
        messages = [one for number in range(count - 1) for one in texts(number)]
        t.record(messages, format=format)
        messages += [{"role": "user", "content": "Is it?"}]
        for turn in range(-2, rounds):
            _, alone = spent(bare, messages)
            said, recorded = spent(wrapped, messages)
            messages += [{"role": "assistant", "content": said}, {"role": "user", "content": f"And {turn}?"}]
            if turn >= 0:  # the first loads what it needs
                pairs.append((alone, recorded))
    alone, recorded = (statistics.median(each) for each in zip(*pairs, strict=True))
    more = statistics.median(after - before for before, after in pairs)
    print(f"| {name} | {count:,} | {alone:.1f} ms | {recorded:.1f} ms | {more:.1f} ms |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wrap", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    print("| a call | messages | bare | wrapped | more, of each pair |\n|---|---:|---:|---:|---:|")
    for name, make, stream in (("OpenAI", openai_calls, False), ("OpenAI, streamed", openai_calls, True), ("Anthropic", anthropic_calls, False), ("Anthropic, streamed", anthropic_calls, True)):  # fmt: skip
        for count in (10, 1_000, 10_000):
            measure(name, make, count, options.rounds if count < 10_000 else options.rounds // 3, stream=stream)


if __name__ == "__main__":
    main()
