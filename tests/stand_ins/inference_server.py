"""An inference server on loopback that speaks the real protocols: OpenAI's, NIM's and Triton's V2.

What a chat is answered with is its last message; paths below `/echo` and so on are for direct
access. It is used inside a test (`InferenceServer`), and as a program that is told a `--port`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PATIENCE = 60
PIECE = 64 * 1024
JSON_LENGTH = "Inference-Header-Content-Length"


@dataclass
class Received:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def header(self, name: str) -> list[str]:
        """All values of a header, in any case."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


@dataclass
class State:
    """What a test tells the server, and what it learns from it."""

    health: tuple[int, bytes] = (200, b'{"message":"Service is ready."}')
    received: list[Received] = field(default_factory=list)
    #: slow answers wait for it
    go_on: threading.Event = field(default_factory=threading.Event)
    #: an answer has begun and waits
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    #: the other side closed the connection while an answer waited
    left: threading.Event = field(default_factory=threading.Event)
    together: threading.Barrier = field(default_factory=lambda: threading.Barrier(1))


def content_of(number: int) -> bytes:
    """A piece of a large body, different for each number."""
    return hashlib.sha256(str(number).encode()).digest() * (PIECE // 32)


def large_content(count: int) -> Iterator[bytes]:
    """`count` pieces that no compression or repetition explains."""
    return map(content_of, range(count))


def hash_of(pieces: Iterator[bytes]) -> str:
    """SHA-256 of all pieces."""
    found = hashlib.sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server: Server
    disable_nagle_algorithm = True

    def log_message(self, *args: Any) -> None:
        """Nothing."""

    @property
    def state(self) -> State:
        """The state that the test shares."""
        return self.server.state

    def _answer(self) -> None:
        path = urlsplit(self.path).path
        if path == "/hash":
            self._json({"sha256": hash_of(self._pieces())})
            return
        body = b"".join(self._pieces())
        pairs = list(self.headers.items())
        self.state.received.append(Received(self.command, self.path, pairs, body))
        special = getattr(self, f"_{path.strip('/').partition('/')[0].replace('-', '_')}", None)
        if path in ("/v1/health/ready", "/health", "/v2/health/ready"):
            self._send(*self.state.health)
        elif path == "/v1/models":
            model = {"id": "up-model", "object": "model", "created": 1, "owned_by": "up"}
            self._json({"object": "list", "data": [model]})
        elif path == "/v1/chat/completions":
            self._chat(json.loads(body))
        elif path.startswith("/v2/"):
            self._triton(path, body)
        elif special is not None:
            special()
        else:
            self._json({"method": self.command, "target": self.path})

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = _answer

    def _pieces(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left and (piece := self.rfile.read(min(left, PIECE))):
            left -= len(piece)
            yield piece

    def _head(self, status: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def _send(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        kind = () if any(name == "Content-Type" for name, _ in headers) else JSON
        self._head(status, *kind, ("Content-Length", str(len(body))), *headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, value: Any, status: int = 200, *headers: tuple[str, str]) -> None:
        self._send(status, json.dumps(value).encode(), *headers)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _wait(self) -> bool:
        """Wait until the test says so; False when the other side has left."""
        self.state.begun.release()
        while not self.state.go_on.wait(0.01):
            if self._has_left():
                self.state.left.set()
                return False
        return True

    def _has_left(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        if not readable:
            return False
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _redirect(self) -> None:
        self._send(302, b"", ("Location", "/elsewhere?a=%2f"))

    def _cookies(self) -> None:
        self._json({}, 200, ("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2"), ("X-Up", "é"))

    def _gzip(self) -> None:
        zipped = gzip.compress(b"hello gzip", mtime=0)
        self._send(200, zipped, ("Content-Encoding", "gzip"), ("Content-Type", "text/plain"))

    def _hop(self) -> None:
        own = (
            ("Connection", "keep-alive, X-Secret"),
            ("X-Secret", "1"),
            ("Keep-Alive", "timeout=9"),
        )
        self._json({}, 200, *own, ("Proxy-Authenticate", "Basic"), ("X-Request-ID", "theirs"))

    def _empty(self) -> None:
        self._head(204)

    def _unchanged(self) -> None:
        self._head(304, ("ETag", '"x"'))

    def _status(self) -> None:
        """The status that the path tells, and a length, with a body or without."""
        status = int(self.path.rpartition("/")[2])
        self._head(status, ("Content-Length", "5"))
        if status not in (204, 304) and self.command != "HEAD":
            self.wfile.write(b"hello")

    def _error(self) -> None:
        self._json({"detail": "overloaded"}, 503, ("Retry-After", "7"))

    def _large(self) -> None:
        count = int(parse_qs(urlsplit(self.path).query)["pieces"][0])
        self._head(200, ("Content-Length", str(count * PIECE)))
        for piece in large_content(count):
            self.wfile.write(piece)

    def _slow(self) -> None:
        self._head(200, ("Content-Type", "text/plain"), ("Transfer-Encoding", "chunked"))
        self._chunk(b"first")
        if self._wait():
            self._chunk(b"second")
            self._chunk(b"")
        else:
            self.close_connection = True

    def _trickle(self) -> None:
        """A byte now and then, until the other side has had enough."""
        self._head(200, ("Content-Length", "1000"))
        for _ in range(1000):
            if self._has_left():
                return
            self.wfile.write(b"x")
            time.sleep(0.02)

    def _hang(self) -> None:
        if self._wait():
            self._json({"hung": True})
        else:
            self.close_connection = True

    def _cut(self) -> None:
        self._head(200, ("Content-Length", "100"))
        self.wfile.write(b"too short")
        self.close_connection = True

    def _chat(self, asked: dict[str, Any]) -> None:
        words = str(asked["messages"][-1]["content"])
        if words == "together":
            self.state.together.wait(PATIENCE)
        if words == "hang":
            self._hang()
        elif words == "think":
            time.sleep(0.3)
            self._json({"choices": [self._choice(words, 0)]})
        elif words == "broken gzip":
            kind = "text/event-stream" if asked.get("stream") else "application/json"
            self._send(200, b"no gzip", ("Content-Encoding", "gzip"), ("Content-Type", kind))
        elif words.isdigit():
            fault = {"message": f"refused with {words}", "type": "refusal", "code": "no"}
            self._json({"error": fault}, int(words), ("Retry-After", "3"))
        elif asked.get("stream"):
            self._stream(asked, words)
        else:
            count = asked.get("n") or 1
            choices = [self._choice(words, number) for number in range(count)]
            self._json({**self._frame(asked, "chat.completion"), "choices": choices})

    def _choice(self, words: str, number: int) -> dict[str, Any]:
        message = {"role": "assistant", "content": f"{words} {number}"}
        return {"index": number, "message": message, "finish_reason": "stop"}

    def _frame(self, asked: dict[str, Any], kind: str) -> dict[str, Any]:
        return {"id": "c1", "object": kind, "created": 1, "model": asked["model"]}

    def _stream(self, asked: dict[str, Any], words: str) -> None:
        head = [("Content-Type", "text/event-stream; charset=utf-8")]
        is_polite = words == "close early"
        head.append(("Connection", "close") if is_polite else ("Transfer-Encoding", "chunked"))
        self._head(200, *head)
        write = self.wfile.write if is_polite else self._chunk
        write(self._event(asked, "A"))
        if words in ("close early", "cut"):
            self.close_connection = True
        elif words == "fail":
            write(b'data: {"error":{"message":"out of memory","type":"oom"}}\n\n')
            self._chunk(b"")
        elif words != "wait" or self._wait():
            write(self._event(asked, "\u2028B"))
            write(b"data: [DONE]\n\n")
            self._chunk(b"")
        else:
            self.close_connection = True

    def _event(self, asked: dict[str, Any], text: str) -> bytes:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
        chunk = {**self._frame(asked, "chat.completion.chunk"), "choices": [choice]}
        return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"

    def _triton(self, path: str, body: bytes) -> None:
        """Add one to each number of a tensor of 32-bit integers, as JSON or as binary data."""
        if path != "/v2/models/adder/infer":
            self._json({"error": f"unknown path {path}"}, 404 if "models" in path else 200)
            return
        length = int(self.headers.get(JSON_LENGTH) or len(body))
        tensor = json.loads(body[:length])["inputs"][0]
        if binary := body[length:]:
            numbers = [
                int.from_bytes(binary[i : i + 4], "little", signed=True)
                for i in range(0, len(binary), 4)
            ]
        else:
            numbers = tensor["data"]
        self._send_tensor([number + 1 for number in numbers], is_binary=bool(binary))

    def _send_tensor(self, numbers: list[int], *, is_binary: bool) -> None:
        output: dict[str, Any] = {"name": "OUT", "datatype": "INT32", "shape": [len(numbers)]}
        if not is_binary:
            self._json({"model_name": "adder", "outputs": [{**output, "data": numbers}]})
            return
        data = b"".join(number.to_bytes(4, "little", signed=True) for number in numbers)
        output["parameters"] = {"binary_data_size": len(data)}
        head = json.dumps({"model_name": "adder", "outputs": [output]}).encode()
        kind = ("Content-Type", "application/octet-stream")
        self._send(200, head + data, kind, (JSON_LENGTH, str(len(head))))


JSON = (("Content-Type", "application/json"),)


class Server(ThreadingHTTPServer):
    """The server with the state that a test shares."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, state: State) -> None:
        self.state = state
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients under test leave without a word."""


class InferenceServer:
    """The server in threads of this process; use it as a context manager."""

    def __init__(self, port: int = 0) -> None:
        self.state = State()
        self._server = Server(port, self.state)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def __enter__(self) -> InferenceServer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.state.go_on.set()
        self._server.shutdown()
        self._server.server_close()

    def reset(self) -> None:
        """Forget what was asked, and let go what waits, before the next test."""
        self.state.go_on.set()
        self.state = self._server.state = State()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead `drum` here."""
        return {"OPENAI_HOST": "127.0.0.1", "OPENAI_PORT": str(self.port), "TARGET_NAME": "reply"}

    @property
    def last(self) -> Received:
        """The last request that was no question for health."""
        asked = [item for item in self.state.received if "health" not in item.target]
        return asked[-1]


def main() -> None:
    """Serve until a signal comes, as a program that `drum` starts."""
    state = State()
    port = int(sys.argv[sys.argv.index("--port") + 1])
    sys.stdout.write(f"serving on {port}\n")
    sys.stdout.flush()
    server = Server(port, state)
    state.health = (200, str(os.getpid()).encode())
    server.serve_forever()


if __name__ == "__main__":
    main()
