"""Closed-loop load on one loopback URL: each client posts the body again once it has the answer.

    python bench/load.py http://127.0.0.1:9000/predict/ --body FILE --clients 10 --seconds 2

`wrk` makes the load when it is installed; otherwise this file does, with plain sockets. The small
client costs more CPU than wrk, so compare only samples made with the same tool. The result is one
JSON line: requests answered with 2xx, seconds, errors, and latencies in milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_SECONDS = 120
MAX_REQUESTS = 1_000_000
RECONNECT_PAUSE = 0.05
CSV = "text/csv"
SCRIPT = Path(__file__).resolve().with_name("post.lua")


@dataclass(frozen=True)
class Load:
    """What one load run saw; latencies are in milliseconds."""

    requests: int
    seconds: float
    errors: int
    p50: float
    p95: float
    p99: float

    @property
    def rate(self) -> float:
        """Answered requests a second."""
        return self.requests / self.seconds if self.seconds else 0.0


def tool_name(choice: str = "auto") -> str:
    """Which load tool `auto` means on this machine: `wrk` or `python`."""
    if choice != "auto":
        return choice
    return "wrk" if shutil.which("wrk") else "python"


def start(
    url: str, body: Path, clients: int, seconds: float, tool: str, content_type: str = CSV
) -> subprocess.Popen[str]:
    """Start the load in a process of its own, so that its CPU time is not that of the caller."""
    if urlsplit(url).hostname not in LOOPBACK:
        raise SystemExit(f"{url} is not on this machine; load goes to loopback addresses only")
    if tool == "wrk":
        whole = max(1, round(seconds))
        command = ["wrk", "-t1", f"-c{clients}", f"-d{whole}s", "--timeout", "60s", "--latency"]
        command += ["-s", str(SCRIPT), url]
    else:
        command = [sys.executable, __file__, url, "--body", str(body), "--tool", "python"]
        command += ["--clients", str(clients), "--seconds", str(seconds), "--type", content_type]
    environment = {**os.environ, "BODY_FILE": str(body), "CONTENT_TYPE": content_type}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> Load:
    """Wait for a started load and read its result."""
    output, _ = process.communicate(timeout=MAX_SECONDS + 120)
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if process.returncode or not lines:
        raise SystemExit(f"the load generator failed (exit {process.returncode}): {output[-500:]}")
    return Load(**json.loads(lines[-1]))


@dataclass
class _Session:
    """What the clients of the small load generator share."""

    host: str
    port: int
    request: bytes
    end: float
    latencies: list[float] = field(default_factory=list)
    errors: int = 0

    def over(self) -> bool:
        return time.perf_counter() >= self.end or len(self.latencies) >= MAX_REQUESTS


async def _read_answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """The status of one answer, and whether the connection may be used again."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
    await reader.readexactly(int(headers["content-length"]))
    version, status = head[0].split()[:2]
    default = "close" if version == "http/1.0" else "keep-alive"
    return int(status), headers.get("connection", default) != "close"


async def _post_on_one_connection(session: _Session) -> None:
    reader, writer = await asyncio.open_connection(session.host, session.port)
    try:
        reusable = True
        while reusable and not session.over():
            begin = time.perf_counter()
            writer.write(session.request)
            await writer.drain()
            status, reusable = await _read_answer(reader)
            now = time.perf_counter()
            if status >= 300:
                session.errors += 1
            elif now <= session.end:
                session.latencies.append((now - begin) * 1e3)
    finally:
        writer.close()


async def _client(session: _Session) -> None:
    while not session.over():
        try:
            await _post_on_one_connection(session)
        except (OSError, EOFError, KeyError, ValueError):
            session.errors += 1
            await asyncio.sleep(RECONNECT_PAUSE)


def _percentile(ordered: Sequence[float], share: float) -> float:
    if not ordered:
        return 0.0
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


async def _post_until_over(
    url: str, body: bytes, clients: int, seconds: float, content_type: str
) -> Load:
    parts = urlsplit(url)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    begin = time.perf_counter()
    session = _Session(
        parts.hostname or "", parts.port or 80, head.encode() + body, begin + seconds
    )
    await asyncio.gather(*(_client(session) for _ in range(clients)))
    ordered = sorted(session.latencies)
    p50, p95, p99 = (_percentile(ordered, share) for share in (0.5, 0.95, 0.99))
    return Load(len(ordered), seconds, session.errors, p50, p95, p99)


def main() -> None:
    """Command line: one load run, the result as one JSON line."""
    parser = argparse.ArgumentParser(description="closed-loop load on a loopback URL")
    parser.add_argument("url")
    parser.add_argument("--body", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=1, choices=range(1, 501), metavar="N")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--type", default=CSV, help="the content type (text/csv)")
    parser.add_argument("--tool", choices=("auto", "wrk", "python"), default="auto")
    options = parser.parse_args()
    seconds = min(options.seconds, MAX_SECONDS)
    if tool_name(options.tool) == "wrk":
        process = start(options.url, options.body, options.clients, seconds, "wrk", options.type)
        load = finish(process)
    elif urlsplit(options.url).hostname not in LOOPBACK:
        parser.error("load goes to loopback addresses only")
    else:
        body = options.body.read_bytes()
        load = asyncio.run(
            _post_until_over(options.url, body, options.clients, seconds, options.type)
        )
    sys.stdout.write(json.dumps(asdict(load)) + "\n")


if __name__ == "__main__":
    main()
