"""Requests by which two servers in a row could be made to disagree, and real proxies in front."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import RunningServer, find_free_port
from tests.operations.fronts import wait_for
from tests.operations.http_requests import CASES
from tests.operations.raw_http import RawConnection, exchange, status_of

INNER = b"GET /smuggled HTTP/1.1\r\nHost: x\r\nX-Request-ID: smuggled\r\n\r\n"


def _post(*fields: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    lines = (b"POST /predict/ HTTP/" + version, b"Host: x", b"Content-Type: text/csv", *fields)
    return b"\r\n".join([*lines, b"", b""]) + body


def _sized(body: bytes, *fields: bytes) -> bytes:
    return _post(b"Content-Length: %d" % len(body), *fields, body=body)


_CHUNKED = b"Transfer-Encoding: chunked"
_EMPTY = b"0\r\n\r\n" + INNER
_CODINGS = (
    *(
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\tchunked",
    ),
    *(b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity, chunked"),
    *(b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: chunked\x0b", b" " + _CHUNKED),
    *(b"X: x\nTransfer-Encoding: chunked", b"Transfer-Encoding\r\n : chunked"),
    *(
        b"Transfer-Encoding: chunked;a=b",
        b'Transfer-Encoding: "chunked"',
        b"TRANSFER-ENCODING: Chunked",
    ),
    *(_CHUNKED + b"\r\nTransfer-Encoding: x", b"Transfer-Encoding: x\r\n" + _CHUNKED),
    *(
        b"transfer_encoding: chunked",
        b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding: c\xc4\xa8unked",
    ),
)

#: By the shape that books on the subject give them.
ATTACKS = {
    "CL.TE": _sized(_EMPTY, _CHUNKED),
    "CL.TE, the other order": _post(_CHUNKED, b"Content-Length: %d" % len(_EMPTY), body=_EMPTY),
    "TE.CL": _post(
        b"Content-Length: 4", _CHUNKED, body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(INNER), INNER)
    ),
    "CL.0": _sized(INNER),
    "0.CL": _post(b"Content-Length: 0", body=INNER),
    "CL.CL": _post(b"Content-Length: 0", b"Content-Length: %d" % len(INNER), body=INNER),
    "CL.CL in a list": _post(b"Content-Length: 0, %d" % len(INNER), body=INNER),
    "CL with a sign": _post(b"Content-Length: +%d" % len(INNER), body=INNER),
    "CL with an underscore": _post(b"Content-Length: 1_0", body=INNER),
    "CL with a NUL": _post(b"Content-Length: 0\x00%d" % len(INNER), body=INNER),
    "CL with a name in two lines": _post(b"Content-\r\n Length: %d" % len(INNER), body=INNER),
    "CL with underscores in its name": _post(b"Content_Length: %d" % len(INNER), body=INNER),
    "CL beyond 64 bits": _post(b"Content-Length: 18446744073709551616", body=INNER),
    **{f"TE.TE {number}": _sized(_EMPTY, coding) for number, coding in enumerate(_CODINGS)},
    **{f"TE {number}": _post(coding, body=_EMPTY) for number, coding in enumerate(_CODINGS)},
    "TE in HTTP/1.0": _post(_CHUNKED, body=_EMPTY, version=b"1.0"),
    "chunk size with a sign": _post(_CHUNKED, body=b"+0\r\n\r\n" + INNER),
    "chunk size with 0x": _post(_CHUNKED, body=b"0x5\r\nhello\r\n" + _EMPTY),
    "chunk size beyond 64 bits": _post(_CHUNKED, body=b"10000000000000000\r\n" + _EMPTY),
    "chunk that ends with LF": _post(_CHUNKED, body=b"5\nhello\n0\n\n" + INNER),
    "chunk without an end": _post(_CHUNKED, body=b"5\r\nhelloXX" + _EMPTY),
    "chunk extension with LF": _post(_CHUNKED, body=b"0;a\n\r\n\r\n" + INNER),
    "chunk extension with CR": _post(_CHUNKED, body=b"5;\rX\r\nhello\r\n" + _EMPTY),
    "trailer with a length": _post(_CHUNKED, body=b"0\r\nContent-Length: 9\r\n\r\n" + INNER),
    "trailer with a request": _post(_CHUNKED, body=b"0\r\n" + INNER + b"\r\n"),
    "folded header": _post(b"X: y", b" Content-Length: %d" % len(INNER), body=INNER),
    "two Hosts": INNER.replace(b"Host: x", b"Host: x\r\nHost: y"),
    "Host with a request": INNER.replace(b"Host: x", b"Host: x/ HTTP/1.1\r\n\r\nGET /smuggled"),
    "absolute target": INNER.replace(b"/smuggled", b"http://y/smuggled"),
    "target with CR": INNER.replace(b"/smuggled", b"/smuggled\rX"),
    "bare LF as line end": _sized(_EMPTY, _CHUNKED).replace(b"\r\n", b"\n"),
    "GET with a body": _sized(INNER).replace(b"POST", b"GET"),
    "Expect": _sized(INNER, b"Expect: 100-continue"),
    "Expect with something behind": _sized(INNER, b"Expect: 100-continue, x"),
    "Upgrade": _sized(INNER, b"Connection: Upgrade", b"Upgrade: h2c"),
    "Connection names the length": _sized(INNER, b"Connection: Content-Length"),
    "Connection names the coding": _post(b"Connection: Transfer-Encoding", _CHUNKED, body=_EMPTY),
    "pipelined": INNER * 3,
    "pipelined after a body": _sized(b"a,b\n1,2\n") + INNER,
    "pipelined after an error": b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n" + INNER,
}
#: Every request of the conformance set with another one behind it.
CONFORMANCE = {f"conformance: {case.name}": case.request + INNER for case in CASES}

HAPROXY = """
global
  log stdout format raw daemon
defaults
  mode http
  timeout connect 10s
  timeout queue 60s
  timeout server 60s
  timeout client 10s
  timeout http-request 10s
  option http-keep-alive
  log-format "PROXIED %s %ST %HM %HP"
frontend in
  bind 127.0.0.1:{port}
  log global
  default_backend out
backend out
  http-reuse always
  server model 127.0.0.1:{to} maxconn 1
"""
NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  log_format seen 'PROXIED $upstream_status $status $request';
  access_log {folder}/log seen;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  client_header_timeout 10s;
  client_body_timeout 10s;
  upstream model {{ server 127.0.0.1:{to}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://model;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_request_buffering {buffering};
      proxy_ignore_client_abort on;
      proxy_next_upstream off;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A running proxy: where it listens, and the file that has a line for each request."""

    port: int
    log: Path

    @property
    def forwarded(self) -> list[str]:
        """The lines of the requests that it has sent on."""
        lines = re.findall(r"^PROXIED .*$", self.log.read_text(errors="replace"), re.MULTILINE)
        return [line for line in lines if not re.match(r"PROXIED (<NOSRV>|-) ", line)]


@contextmanager
def proxy(name: str, server: RunningServer, folder: Path) -> Iterator[Proxy]:
    """A proxy in front of a server; it keeps one connection to it, for all its clients."""
    port, log, config = find_free_port(), folder / "log", folder / "config"
    if name == "haproxy":
        config.write_text(HAPROXY.format(port=port, to=server.port))
        command = ["haproxy", "-db", "-f", str(config)]
    else:
        buffering = "off" if name == "nginx, unbuffered" else "on"
        config.write_text(
            NGINX.format(port=port, to=server.port, folder=folder, buffering=buffering)
        )
        command = ["nginx", "-c", str(config), "-p", str(folder)]
    with (folder / "out").open("wb") if name != "haproxy" else log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: is_answered(port), f"{name}: {config.read_text()}")
        yield Proxy(port, log)
    finally:
        process.terminate()
        process.wait(20)


def is_answered(port: int) -> bool:
    """Does it answer?"""
    try:
        return status_of(exchange(port, victim("start"))) == 200
    except OSError:
        return False


def victim(name: str) -> bytes:
    """The request of another client, which is known by its id."""
    lines = ("GET /livez?victim HTTP/1.1", "Host: x", f"X-Request-ID: {name}", "Connection: close")
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def attacked(port: int, data: bytes) -> Iterator[None]:
    """A client that has sent these bytes and waits for its answer."""
    with RawConnection(port) as connection:
        connection.send(data)
        yield
