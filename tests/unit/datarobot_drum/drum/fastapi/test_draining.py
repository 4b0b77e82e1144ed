"""What a Uvicorn worker does with connections that wait at its socket when it ends."""

from __future__ import annotations

import asyncio
import functools
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvicorn
from tests.operations.certificates import make_certificate, trusting_context
from tests.operations.http_requests import HOST, get

from datarobot_drum.drum.fastapi import draining
from datarobot_drum.drum.fastapi.draining import DrainingServer, tell_until_started
from datarobot_drum.drum.fastapi.protocol import GuardedProtocol
from datarobot_drum.drum.observability.record import Recorder
from datarobot_drum.drum.root_predictors.edge import Edge

EDGE = Edge(Recorder(), header_timeout=5, keep_alive=5, request_timeout=30)


async def app(scope: Any, receive: Any, send: Any) -> None:
    headers = [(b"content-length", b"2"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


def tls_server(folder: Path) -> DrainingServer:
    protocol: Any = functools.partial(GuardedProtocol, edge=EDGE)
    certificate = str(make_certificate(folder))
    config = uvicorn.Config(
        app, http=protocol, ws="none", lifespan="off", log_config=None, ssl_certfile=certificate
    )
    config.load()
    server = DrainingServer(config, SimpleNamespace(notify=lambda: None))
    server.lifespan = config.lifespan_class(config)
    return server


def ask(connection: socket.socket) -> bytes:
    with trusting_context().wrap_socket(connection) as client:
        client.sendall(get(HOST))
        return b"".join(iter(functools.partial(client.recv, 1000), b""))


def test_waiting_clients_that_shake_no_hands_stop_neither_others_nor_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(draining, "LINGER", 0.5)
    listener = socket.create_server(("127.0.0.1", 0))
    silent, hostile, good = (socket.create_connection(listener.getsockname()) for _ in range(3))
    hostile.sendall(b"GET / HTTP/1.1\r\n\r\n")

    async def end() -> bytes:
        answer = asyncio.create_task(asyncio.to_thread(ask, good))
        server = tls_server(tmp_path)
        await server._take_waiting([listener])
        await server._let_requests_end()
        return await answer

    began = time.monotonic()
    assert asyncio.run(asyncio.wait_for(end(), 20)).endswith(b"ok")
    assert time.monotonic() - began < 10
    # it is let go
    assert silent.recv(1) == b""
    for client in (silent, hostile):
        client.close()


def test_worker_is_seen_alive_until_it_has_started(monkeypatch):
    monkeypatch.setattr(draining, "NOTIFY_PERIOD", 0.01)
    server: Any = SimpleNamespace(started=False)
    signs: list[float] = []

    def notify() -> None:
        signs.append(time.monotonic())
        server.started = len(signs) == 3

    asyncio.run(asyncio.wait_for(tell_until_started(server, notify), 20))
    assert len(signs) == 3
