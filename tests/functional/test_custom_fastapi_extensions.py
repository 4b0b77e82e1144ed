"""`custom_fastapi.py` on a real server: middleware, dependency, route, handler, and broken ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.operations.commands import eventually

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
CSV = {"Content-Type": "text/csv"}
MODEL = ("--target-type", "regression")
PAGE = "https://app.example"
EDGE = {
    "DRUM_CORS_ENABLED": "true",
    "DRUM_CORS_ORIGINS": PAGE,
    "DRUM_RATE_LIMIT_ENABLED": "true",
    "DRUM_RATE_LIMIT_RPM": "3",
}

EXTENSION = """
from fastapi import Depends, FastAPI, HTTPException, Request
from starlette.responses import JSONResponse


class OutOfStock(Exception):
    pass


class Mark:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def marked(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-frame-options", b"SAMEORIGIN")]
            await send(message)

        await self.app(scope, receive, marked)


def key(request: Request):
    if request.headers.get("x-auth") != "sesame":
        raise HTTPException(401, "no key")
    return request.client.host


def init_app(app: FastAPI):
    app.add_middleware(Mark)

    @app.get("/extra/who")
    def who(client: str = Depends(key)):
        return {"client": client, "state": app.state.worker_ctx.server.state.name}

    @app.get("/extra/stock")
    async def stock():
        raise OutOfStock

    @app.exception_handler(OutOfStock)
    async def out_of_stock(request, error):
        return JSONResponse({"message": "out of stock"}, 410)
"""


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(FIXTURES / "models" / "linear", tmp_path / "model"))


def test_extension_adds_middleware_dependency_route_and_handler(start_server, folder):
    (folder / "custom_fastapi.py").write_text(EXTENSION)
    server = start_server(folder, *MODEL, server_type="fastapi")
    assert server.get("/extra/who").status_code == 401
    reply = server.get("/extra/who", headers={"X-Auth": "sesame", "X-Forwarded-For": "203.0.113.7"})
    assert reply.json() == {"client": "203.0.113.7", "state": "READY"}
    assert server.get("/extra/stock").status_code == 410
    reply = server.post("/predict/", content=b"a,b\n1,2\n", headers=CSV)
    assert reply.json() == {"predictions": [22.0]}
    # its own choice is kept, and not contradicted
    assert reply.headers.get_list("x-frame-options") == ["SAMEORIGIN"]
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "server" not in reply.headers


def test_folder_with_both_extensions_is_guarded_by_that_of_its_server(
    start_server, folder, server_type
):
    (folder / "below").mkdir()
    for name in ("custom_flask", "custom_fastapi"):
        shutil.copy(FIXTURES / f"{name}_demo_auth.py", folder / "below" / f"{name}.py")
    server = start_server(folder, *MODEL, server_type=server_type, env=EDGE, wait=False)
    server.wait_until_ready("/ping/")
    told = server.get("/info/", headers={"X-Auth": "sesame"}).json()
    assert told["drumServer"] == server_type
    assert server.get("/extra/a", headers={"X-Auth": "sesame"}).json() == {"name": "a"}
    refused = server.get("/info/", headers={"Origin": PAGE})
    assert (refused.status_code, refused.json()) == (401, {"message": "no token"})
    assert refused.headers["X-Ext"] == "yes"
    # our layers stand around it: they see its answers, and go before its checks
    assert refused.headers["X-Content-Type-Options"] == "nosniff"
    assert refused.headers["Access-Control-Allow-Origin"] == PAGE
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    assert server.client.options("/predict/", headers=asked).status_code == 200
    limited = server.get("/info/")
    assert limited.status_code == 429
    assert "X-Ext" not in limited.headers
    eventually(lambda: '"GET /info/ HTTP/1.1" 401' in server.log, "its line of log")


def test_folder_with_a_flask_extension_only_is_served_by_flask(start_server, folder):
    shutil.copy(FIXTURES / "custom_flask_demo_auth.py", folder / "custom_flask.py")
    server = start_server(folder, *MODEL, server_type="fastapi", wait=False)
    server.wait_until_ready("/ping/")
    assert server.get("/info/").status_code == 401
    assert server.get("/info/", headers={"X-Auth": "sesame"}).json()["drumServer"] == "flask"
    assert "it is served by flask" in server.log


@pytest.mark.parametrize("server_type", ["flask", "gunicorn"])
def test_fastapi_extension_only_stops_other_servers_unless_it_is_ignored(
    run_drum, start_server, folder, server_type
):
    shutil.copy(FIXTURES / "custom_fastapi_demo_auth.py", folder / "custom_fastapi.py")
    place = ("--code-dir", str(folder), "--address", "127.0.0.1:1")
    done = run_drum("server", *place, *MODEL, "--server-type", server_type)
    assert done.returncode == 1
    assert "its hooks would be missing" in done.stderr
    ignored = {"DRUM_IGNORE_SERVER_EXTENSIONS": "true"}
    server = start_server(folder, *MODEL, server_type=server_type, env=ignored)
    assert server.get("/info/").status_code == 200


@pytest.mark.parametrize("name", ["custom_fastapi_broken.py", "custom_without_init.py"])
def test_broken_extension_ends_the_start_once(start_server, folder, name):
    shutil.copy(FIXTURES / name, folder / "custom_fastapi.py")
    server = start_server(folder, *MODEL, server_type="fastapi", wait=False)
    assert server.process.wait(60) == 3
    assert "cannot start: " in server.log
    assert server.log.count("Booting worker") == 1
