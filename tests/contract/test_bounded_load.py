"""What a server does before it is overloaded: limits of bytes, deadlines, clients that leave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.contract.cases.models import GATED, GATED_CHAT
from tests.contract.conftest import Serve
from tests.contract.exchanges import PATIENCE, Request, eventually, plain
from tests.contract.serving import Client, post

from datarobot_drum.drum.observability.record import Record
from datarobot_drum.drum.root_predictors.probes import State

DEPTH = "DRUM_FASTAPI_EXECUTOR_QUEUE_DEPTH"
DEADLINE = "DRUM_CLIENT_REQUEST_TIMEOUT"
BYTES = "DRUM_MAX_QUEUE_BYTES"
CSV = plain({"Content-Type": "text/csv"})
ROW = b"v\n1\n"


def figures(client: Client) -> dict[str, float]:
    queue: dict[str, float] = client.get("/stats/").json()["server"]["queue"]
    return queue


def running(client: Client, body: bytes = ROW) -> Any:
    """A prediction whose hook has begun and waits."""
    exchange = client.open(post("/predict/", body))
    assert client.loaded.begun.acquire(timeout=PATIENCE)
    return exchange


def finish(client: Client, exchange: Any) -> None:
    client.loaded.go_on.release()
    assert exchange.answer().status == 200
    eventually(lambda: client.server.gate.figures()["running"] == 0)


def waiting(client: Client, count: int) -> list[Any]:
    exchanges = [client.open(post("/predict/", ROW)) for _ in range(count)]
    eventually(lambda: client.server.gate.figures()["waiting"] == count)
    return exchanges


def stalled(body: bytes = b"v\n1") -> Request:
    """A request whose body never ends."""
    return Request("POST", "/predict/", CSV, body, chunked=True, stalls=True)


@pytest.mark.parametrize("prefix", ["", "/models/a"])
def test_full_line_refuses_before_the_body_is_read(own_client: Serve, prefix: str) -> None:
    client = own_client(GATED.with_environment(**{DEPTH: "0", "URL_PREFIX": prefix}))
    first = client.open(post(f"{prefix}/predict/", ROW))
    assert client.loaded.begun.acquire(timeout=PATIENCE)
    request = Request("POST", f"{prefix}/predictions", CSV, b"v\n1", chunked=True, stalls=True)
    answer = client.send(request)
    assert (answer.status, answer.header("Retry-After")) == (503, "5")
    assert answer.json()["message"].startswith("ERROR: the server is busy: 1 requests are running")
    finish(client, first)
    queue = client.get(f"{prefix}/stats/").json()["server"]["queue"]
    assert (queue["accepted"], queue["rejected"], queue["bytes_held"]) == (1, 1, 0)


def test_full_line_lets_everything_else_pass(own_client: Serve) -> None:
    client = own_client(GATED.with_environment(**{DEPTH: "0"}))
    first = running(client)
    statuses = {path: client.get(path).status for path in ("/livez", "/readyz", "/info/", "/x")}
    assert statuses == {"/livez": 200, "/readyz": 200, "/info/": 200, "/x": 404}
    assert client.get("/predict/").status == 405
    assert client.send(Request("OPTIONS", "/predict/")).status == 200
    finish(client, first)


@pytest.mark.parametrize("chunked", [True, False])
def test_bodies_hold_so_many_bytes_at_most(own_client: Serve, chunked: bool) -> None:
    client = own_client(GATED.with_environment(**{BYTES: "100"}))
    large = b"v\n1\n" + b"1\n" * 500
    # nothing else is held
    first = running(client, large)
    assert figures(client)["bytes_held"] == len(large)
    answer = client.send(Request("POST", "/predict/", CSV, ROW, chunked=chunked))
    assert (answer.status, answer.header("Retry-After")) == (503, "5")
    assert f"other requests hold {len(large)} bytes" in answer.json()["message"]
    finish(client, first)
    finish(client, running(client))
    queue = figures(client)
    assert (queue["bytes_held"], queue["accepted"], queue["rejected"]) == (0, 2, 1)


def test_refused_body_needs_no_turn_in_line(own_client: Serve) -> None:
    client = own_client(GATED.with_environment(DRUM_FASTAPI_MAX_UPLOAD_SIZE="10"))
    first = running(client)
    assert client.post("/predict/", b"v\n" + b"1\n" * 10).status == 413
    finish(client, first)
    assert figures(client)["accepted"] == 1


def test_client_that_leaves_the_line_never_runs(own_client: Serve) -> None:
    client = own_client(GATED)
    first = running(client)
    for exchange in waiting(client, 3):
        exchange.close()
    eventually(lambda: client.server.gate.figures()["waiting"] == 0)
    finish(client, first)
    finish(client, running(client))
    assert not client.loaded.begun.acquire(blocking=False)
    queue = figures(client)
    assert (queue["abandoned"], queue["timed_out"], queue["bytes_held"]) == (3, 0, 0)


def test_client_that_leaves_a_running_hook_keeps_its_slot(own_client: Serve) -> None:
    client = own_client(GATED)
    running(client).close()
    eventually(lambda: client.server.gate.figures()["abandoned"] == 1)
    assert figures(client)["running"] == 1
    client.loaded.go_on.release()
    eventually(lambda: client.server.gate.figures()["running"] == 0)


def test_client_that_leaves_a_running_chat_keeps_its_slot_until_the_hook_ends(
    own_client: Serve,
) -> None:
    client = own_client(GATED_CHAT)
    body = b'{"model": "m", "messages": [], "wait": true, "words": []}'
    records: list[Record] = []
    client.server.recorder.add(records.append)
    exchange = client.open(post("/chat/completions", body, "application/json"))
    assert client.loaded.begun.acquire(timeout=PATIENCE)
    exchange.close()
    eventually(lambda: client.server.gate.figures()["abandoned"] == 1)
    eventually(lambda: len(records) == 1)
    assert records[0].failed
    assert figures(client)["running"] == 1
    client.loaded.go_on.release()
    eventually(lambda: client.server.gate.figures()["running"] == 0)
    # the hook ran to its end, and the next one is served
    assert client.loaded.running == 0
    client.loaded.go_on.release()
    assert client.send(post("/chat/completions", body, "application/json")).status == 200


def test_hundreds_that_leave_the_line_leave_no_slot_behind(own_client: Serve, front: str) -> None:
    # each is a thread where the front has threads
    count = 1000 if front == "fastapi" else 200
    client = own_client(GATED.with_environment(**{DEPTH: str(count)}))
    first = running(client)
    for exchange in waiting(client, count):
        exchange.close()
    eventually(lambda: client.server.gate.figures()["waiting"] == 0)
    finish(client, first)
    queue = figures(client)
    assert (queue["accepted"], queue["abandoned"]) == (count + 1, count)
    assert (queue["running"], queue["waiting"], queue["bytes_held"]) == (0, 0, 0)


def test_client_that_leaves_a_silent_stream_ends_it(own_client: Serve) -> None:
    client = own_client(GATED_CHAT)
    body = b'{"model": "m", "messages": [], "stream": true, "words": ["a", "b"]}'
    records: list[Record] = []
    client.server.recorder.add(records.append)
    exchange = client.open(post("/chat/completions", body, "application/json"))
    assert b'"a"' in next(exchange.pieces())
    assert client.loaded.begun.acquire(timeout=PATIENCE)
    exchange.close()
    eventually(lambda: len(records) == 1)
    assert records[0].failed
    client.loaded.go_on.release()
    assert client.loaded.closed.wait(PATIENCE)
    eventually(lambda: client.server.gate.figures()["running"] == 0)


def test_worker_is_stuck_when_its_hook_does_not_return(own_client: Serve) -> None:
    client = own_client(GATED.with_environment(**{DEADLINE: "0.2"}))
    assert client.post("/predict/", ROW).status == 504
    eventually(lambda: client.server.state is State.STUCK)
    probe = client.get("/readyz")
    assert (probe.status, probe.json()) == (503, {"status": "stuck"})
    answer = client.send(stalled())
    assert (answer.status, answer.header("Retry-After")) == (503, "5")
    assert client.get("/startupz").status == 200
    assert client.get("/stats/").json()["server"]["state"] == "stuck"
    client.loaded.go_on.release()


def test_worker_without_a_timeout_is_never_stuck(own_client: Serve) -> None:
    client = own_client(GATED.with_environment(**{DEADLINE: "0"}))
    first = running(client)
    assert client.server.gate.stuck_since() is None
    finish(client, first)


def test_deadline_covers_the_upload(own_client: Serve) -> None:
    client = own_client(GATED.with_environment(**{DEADLINE: "0.3"}))
    answer = client.send(stalled())
    assert answer.status == 504
    assert answer.json() == {
        "message": "ERROR: the request was not received and answered within 0.3 s "
        "(DRUM_CLIENT_REQUEST_TIMEOUT)"
    }
    queue = figures(client)
    assert (queue["deadline_exceeded"], queue["accepted"], queue["bytes_held"]) == (1, 0, 0)


UPLOADING = replace(
    GATED,
    files=(
        ("custom_flask_upload.py", "custom_flask.py"),
        ("custom_fastapi_upload.py", "custom_fastapi.py"),
    ),
)


def test_deadline_covers_the_upload_to_an_extension(own_client: Serve) -> None:
    client = own_client(UPLOADING.with_environment(**{DEADLINE: "0.3"}))
    assert client.post("/upload", ROW).json() == {"size": len(ROW)}
    answer = client.send(Request("POST", "/upload", CSV, b"v\n1", chunked=True, stalls=True))
    assert answer.status == 504
    assert "was not received and answered within 0.3 s" in answer.json()["message"]
    assert figures(client)["deadline_exceeded"] == 1
