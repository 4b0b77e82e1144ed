"""More clients than a server can serve: refusals are fast, what is accepted keeps its latency."""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path

import pytest
from tests.conftest import ServerContext
from tests.operations.commands import COMMANDED, CommandedServer, row

CLIENTS = 50
DEPTH = 5
HOOK_SECONDS = 0.03
BODY = row("sleep", HOOK_SECONDS)
REQUEST = (
    b"POST /predict/ HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
) + BODY
#: status and seconds of an answer
Answer = tuple[int, float]


async def one_client(port: int, count: int) -> list[Answer]:
    """Requests one after another; a pause after each that was refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers: list[Answer] = []
    for _ in range(count):
        started = time.monotonic()
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        answers.append((int(head.split()[1]), time.monotonic() - started))
        if answers[-1][0] == 503:
            await asyncio.sleep(0.2)
    writer.close()
    return answers


async def crowd(port: int, clients: int, count: int) -> list[Answer]:
    every = await asyncio.gather(*(one_client(port, count) for _ in range(clients)))
    return [answer for answers in every for answer in answers]


@pytest.mark.tools
@pytest.mark.parametrize("server_type", ["gunicorn", "fastapi"])
def test_overload_is_refused_fast_and_costs_the_accepted_nothing(
    running_server: ServerContext, tmp_path: Path, server_type: str
):
    environment = {
        "COMMAND_PLACE": str(tmp_path),
        "DRUM_FASTAPI_EXECUTOR_QUEUE_DEPTH": str(DEPTH),
        "DRUM_GUNICORN_THREADS": str(CLIENTS),
    }
    options = ("--target-type", "regression")
    with running_server(COMMANDED, *options, env=environment, server_type=server_type) as server:
        alone = statistics.median(took for _, took in asyncio.run(crowd(server.port, 1, 10)))
        answers = asyncio.run(crowd(server.port, CLIENTS, 12))
        queue = CommandedServer(server, tmp_path).figures
    accepted = [took for status, took in answers if status == 200]
    refused = [took for status, took in answers if status == 503]
    assert len(accepted) + len(refused) == len(answers) == CLIENTS * 12
    assert (queue["accepted"], queue["rejected"]) == (len(accepted) + 10, len(refused))
    # three of four: 50 clients and the server share the machine
    assert statistics.quantiles(refused, n=4)[2] < 0.1
    # each waits for those before it, and for no more
    assert statistics.median(accepted) < alone * (DEPTH + 1) * 2
