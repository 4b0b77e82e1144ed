"""The FastAPI server as it is started: choice, prefix, error server, what each setting does.

Row 2 of the conformance table: the matrix of `DRUM_SERVER_TYPE`.
Row 12 of the conformance table: the prefix `abc`, `/abc`, `/abc/`, `/`.
Row 16 of the conformance table: what probes of the error server answer.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.operations.fronts import every_front

MODELS = Path(__file__).resolve().parents[1] / "fixtures" / "models"
LINEAR = MODELS / "linear"
MODEL = ("--target-type", "regression")
CSV = {"Content-Type": "text/csv"}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("uvicorn", "fastapi"),
        ("FastAPI", "fastapi"),
        ('{"type": "string", "payload": "gunicorn"}', "gunicorn"),
        ("werkzeug", "flask"),
    ],
)
def test_server_type_is_read_from_the_runtime_parameter(start_server, value, name):
    env = {"MLOPS_RUNTIME_PARAM_DRUM_SERVER_TYPE": value}
    server = start_server(LINEAR, *MODEL, env=env)
    assert server.get("/info/").json()["drumServer"] == name


@pytest.mark.parametrize("value", ["tomcat", '{"type": "string", "payload": "tomcat"}', '{"type'])
def test_server_type_that_is_unknown_or_broken_ends_the_start(run_drum, value):
    place = ("--code-dir", str(LINEAR), "--address", "127.0.0.1:1")
    env = {"MLOPS_RUNTIME_PARAM_DRUM_SERVER_TYPE": value}
    done = run_drum("server", *place, *MODEL, env=env)
    assert done.returncode == 2
    assert "DRUM_SERVER_TYPE" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("server_type", "setting", "prefix"),
    [("fastapi", "abc", "/abc"), ("gunicorn", "/abc/", "/abc"), ("flask", "/", "")],
)
def test_everything_is_below_the_prefix(start_server, server_type, setting, prefix):
    env = {"URL_PREFIX": setting, "DRUM_FASTAPI_ENABLE_DOCS": "true"}
    server = start_server(LINEAR, *MODEL, env=env, server_type=server_type, wait=False)
    server.wait_until_ready(f"{prefix}/readyz")
    reply = server.post(f"{prefix}/predict/", content=b"a,b\n1,2\n", headers=CSV)
    assert reply.json() == {"predictions": [22.0]}
    assert server.get(f"{prefix}/docs").status_code == 200
    assert server.get("/nothing/livez").status_code == 404


@pytest.mark.parametrize("server_type", ["flask", "gunicorn", "fastapi"])
def test_bad_prefix_ends_the_start(run_drum, server_type):
    place = ("--code-dir", str(LINEAR), "--address", "127.0.0.1:1", "--server-type", server_type)
    done = run_drum("server", *place, *MODEL, env={"URL_PREFIX": "/a b"})
    assert done.returncode == 2
    assert "URL_PREFIX has the bad value '/a b'" in done.stderr


@every_front
def test_probes_of_the_error_server(start_server, front):
    server = start_server(
        MODELS / "broken_load",
        *(*MODEL, "--with-error-server"),
        server_type=front.server_type,
        env=front.environment,
        wait=False,
    )
    server.wait_until_ready("/livez")
    paths = ("/ping/", "/health/", "/readyz", "/startupz", "/livez")
    found = {path: server.get(path).status_code for path in paths}
    assert found == {
        "/ping/": 513,
        "/health/": 513,
        "/readyz": 503,
        "/startupz": 503,
        "/livez": 200,
    }
    assert server.post("/predict/", content=b"a,b\n1,2\n", headers=CSV).status_code == 513
    assert server.stop() == front.interrupted


@pytest.mark.parametrize("server_type", ["gunicorn", "fastapi"])
def test_rate_limit_and_security_headers_hold_on_the_wire(start_server, server_type):
    env = {"DRUM_RATE_LIMIT_ENABLED": "true", "DRUM_RATE_LIMIT_RPM": "2"}
    server = start_server(LINEAR, *MODEL, env=env, server_type=server_type)
    replies = [server.get("/info/") for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert int(replies[2].headers["retry-after"]) >= 1
    for reply in (*replies, server.get("/livez"), server.client.head("/livez")):
        assert reply.headers.get_list("x-content-type-options") == ["nosniff"]
        assert not any(sign.isdigit() for sign in reply.headers.get("server", ""))
