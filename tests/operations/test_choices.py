"""What an operator chooses by variables reaches every server, and what he mistypes is told.

Row 1 of the conformance table: each parameter, here those that are out of range, text, null and
bare words; the matrix of all is in `test_matrix.py`. Row 2 of the conformance table: the server
type by its parameter, in any case. Row 12 of the conformance table: the prefixes `abc`, `/abc`,
`/abc/`, `/`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.operations.fronts import CSV, FLASK, every_front

LINEAR = Path(__file__).resolve().parents[1] / "fixtures" / "models" / "linear"
MODEL = ("--target-type", "regression")
PARAMETER = "MLOPS_RUNTIME_PARAM_"
#: by the names of fronts: how the prefix is given, and where the routes are then
PREFIXES = {
    "flask": ("abc", "/abc"),
    "gunicorn": ("/abc/", "/abc"),
    "gunicorn-sync": ("/abc", "/abc"),
    "gunicorn-gevent": ("/", ""),
    "fastapi": ("/abc/", "/abc"),
}
#: Values that no server takes: each is told in one line, and the default is used.
MISTYPED = {
    "DRUM_WEBSERVER_BACKLOG": "0",
    "DRUM_UVICORN_MAX_REQUESTS": "1000000",
    "DRUM_UVICORN_KEEP_ALIVE": "long",
    f"{PARAMETER}DRUM_UVICORN_GRACEFUL_TIMEOUT": '{"type": "numeric", "payload": -1}',
}
WORKERS = {
    "gunicorn": "DrumThreadWorker",
    "gunicorn-sync": "DrumSyncWorker",
    "gunicorn-gevent": "DrumGeventWorker",
    "fastapi": "DrumUvicornWorker",
}


def as_parameter(value: str) -> str:
    return json.dumps({"type": "string", "payload": value})


@every_front
def test_parameters_choose_server_and_prefix_and_mistakes_are_told(start_server, front):
    given, prefix = PREFIXES[front.name]
    chosen = {
        f"{PARAMETER}DRUM_SERVER_TYPE": as_parameter(front.server_type.upper()),
        f"{PARAMETER}DRUM_GUNICORN_WORKER_CLASS": as_parameter(front.worker_class or "gthread"),
        # null is a value that is not there
        f"{PARAMETER}DRUM_UVICORN_MAX_REQUESTS_JITTER": '{"type": "numeric", "payload": null}',
    }
    env = {**chosen, **MISTYPED, "URL_PREFIX": given}
    server = start_server(LINEAR, *MODEL, env=env, wait=False)
    server.wait_until_ready(f"{prefix}/readyz")
    assert server.get(f"{prefix}/info/").json()["drumServer"] == front.server_type
    assert front is FLASK or f".{WORKERS[front.name]} " in server.log
    for path in ("/predict", "/predict/"):
        reply = server.post(f"{prefix}{path}", content=b"a,b\n1,2\n", headers=CSV)
        assert reply.json() == {"predictions": [22.0]}
    assert not prefix or server.get("/livez").status_code == 404
    for name in MISTYPED:
        told = [line for line in server.log.splitlines() if name.removeprefix(PARAMETER) in line]
        assert len(told) == 1, told
        assert " WARNING " in told[0]


@pytest.mark.parametrize("server_type", ["flask", "gunicorn", "fastapi"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CUSTOM_MODEL_WORKERS", "two"),
        (f"{PARAMETER}CUSTOM_MODEL_WORKERS", '{"type": "numeric", "payload": 2'),
        ("URL_PREFIX", "/a b"),
    ],
    ids=["workers as text", "parameter that is broken", "prefix"],
)
def test_mistake_that_must_stop_the_start_is_one_line(run_drum, server_type, name, value):
    place = ("--code-dir", str(LINEAR), "--address", "127.0.0.1:1", "--server-type", server_type)
    done = run_drum("server", *place, *MODEL, env={name: value}, timeout=20)
    assert done.returncode == 2
    assert name.removeprefix(PARAMETER) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
