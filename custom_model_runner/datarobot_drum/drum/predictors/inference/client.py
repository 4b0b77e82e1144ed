"""Calls of an inference server: JSON out, JSON or server-sent events back."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.errors import (
    DrumError,
    MalformedRequest,
    UpstreamError,
    UpstreamTimeout,
)
from datarobot_drum.drum.observability import spans
from datarobot_drum.drum.upstream import Upstream, UpstreamStream

if TYPE_CHECKING:
    import httpx

CONNECT_TIMEOUT = 10.0
EVENT_STREAM = "text/event-stream"
SHOWN_CHARACTERS = 500
DONE = "[DONE]"


class UpstreamClient:
    """One connection pool to an inference server; used by many threads at once.

    No proxy of the machine, no redirects, no cookies, no retries: the client decides what to
    send again. `timeout` is in seconds without a byte.
    """

    def __init__(self, upstream: Upstream, timeout: float) -> None:
        import httpx

        self._name = upstream.name
        self._timeout = timeout
        self.http = httpx.Client(
            base_url=upstream.address,
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
            # events must come one by one, which compression would hinder
            headers={"Accept-Encoding": "identity"},
            event_hooks={"request": [lambda request: spans.propagate(request.headers)]},
            trust_env=False,
        )
        self.http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def close(self) -> None:
        """Let go of all connections."""
        self.http.close()

    def ask(self, path: str, body: Any = None) -> Any:
        """The JSON that a GET, or with a body a POST, is answered with, or an EventStream.

        Raises UpstreamError with the status of the inference server's own error, and with 502 or
        504 when there is no (proper) answer.
        """
        response = self.open("GET" if body is None else "POST", path, json=body)
        if response.headers.get("Content-Type", "").partition(";")[0].strip() == EVENT_STREAM:
            return EventStream(response, self._name, self._timeout)
        try:
            return json.loads(self.read(response))
        except ValueError as error:
            raise UpstreamError(f"the {self._name} server answered with no JSON") from error

    def open(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request; the answer's body is still to be read, an error is raised.

        Raises MalformedRequest when the options hold what no request can.
        """
        import httpx

        try:
            request = self.http.build_request(method, path, **options)
        except ValueError as error:
            raise MalformedRequest(
                "the request holds NaN or broken Unicode; send valid JSON"
            ) from error
        try:
            response = self.http.send(request, stream=True)
        except httpx.RequestError as error:
            raise self.failure(error) from error
        if response.status_code >= 300:
            raise status_error(response.status_code, response.headers, self.read(response))
        return response

    def read(self, response: httpx.Response) -> bytes:
        """The rest of an answer."""
        import httpx

        try:
            return response.read()
        except httpx.RequestError as error:
            raise self.failure(error) from error
        finally:
            response.close()

    def failure(self, error: Exception) -> DrumError:
        """What to tell of an error of the connection; it names no host."""
        return _failure(error, self._name, self._timeout)


def _failure(error: Exception, name: str, timeout: float) -> DrumError:
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return UpstreamTimeout(f"the {name} server did not answer within {timeout:g} s")
    if isinstance(error, httpx.DecodingError):
        return UpstreamError(f"the {name} server sent an answer that cannot be decompressed")
    return UpstreamError(f"Connection error. The {name} server cannot be reached; try again later")


def status_error(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The inference server's own error, with its status, its message and its error object."""
    told = _parsed(body)
    fault = told.get("error", told) if isinstance(told, dict) else told
    message = fault.get("message", fault) if isinstance(fault, dict) else fault
    text = message if isinstance(message, str) else json.dumps(message)
    retry = headers.get("Retry-After", "")
    return UpstreamError(
        f"Error code: {status} - {text[:SHOWN_CHARACTERS]}",
        # a redirect, say, is no error that a client could understand
        status if 400 <= status <= 599 else UpstreamError.status,
        int(retry) if retry.isdigit() else None,
        {"error": fault} if isinstance(fault, dict) else {},
    )


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


class EventStream(UpstreamStream):
    """The chunks of an answer that comes as server-sent events.

    Raises UpstreamError when the stream ends without `[DONE]`, or tells of an error itself.
    """

    def __init__(self, response: httpx.Response, name: str, timeout: float) -> None:
        self._response = response
        self._name = name
        self._timeout = timeout
        self._interrupted = threading.Event()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        import httpx

        try:
            for text in events(self._response.iter_bytes()):
                if text.startswith(DONE):
                    return
                yield self._chunk(text)
        except httpx.RequestError as error:
            if self._interrupted.is_set():
                return
            raise _failure(error, self._name, self._timeout) from error
        finally:
            self._response.close()
        if not self._interrupted.is_set():
            raise UpstreamError(f"the {self._name} server ended its answer early")

    def _chunk(self, text: str) -> dict[str, Any]:
        chunk = _parsed(text.encode())
        if not isinstance(chunk, dict):
            raise UpstreamError(f"the {self._name} server sent an event that is no JSON object")
        if "error" in chunk and "choices" not in chunk:
            raise _told_error(chunk)
        chunk.setdefault("object", "chat.completion.chunk")
        return chunk

    def interrupt(self) -> None:
        """Cut the connection."""
        self._interrupted.set()
        stream = self._response.extensions.get("network_stream")
        connection = stream.get_extra_info("socket") if stream is not None else None
        if connection is not None:
            # closing a socket does not wake the thread that reads from it
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _told_error(chunk: dict[str, Any]) -> UpstreamError:
    fault = chunk["error"]
    code = fault.get("code") if isinstance(fault, dict) else None
    status = code if isinstance(code, int) and 400 <= code <= 599 else UpstreamError.status
    return status_error(status, {}, json.dumps(chunk).encode())


def events(pieces: Iterable[bytes]) -> Iterator[str]:
    """The data of each server-sent event (WHATWG HTML, section 9.2.6).

    Lines end at line feeds only: other line ends of Unicode may stand inside JSON.
    """
    rest, data = b"", list[bytes]()
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                data.append(line.removeprefix(b"data:").removeprefix(b" "))
            elif not line and data:
                yield b"\n".join(data).decode("utf-8", "replace")
                data = []
