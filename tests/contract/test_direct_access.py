"""Direct access to an inference server, and its health, on every front."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.contract.conftest import Serve
from tests.contract.exchanges import PATIENCE, Answer, Request, eventually, plain
from tests.contract.serving import Client, Served, post
from tests.stand_ins.inference_server import InferenceServer

NIM = Served("text_plain", "textgeneration", gpu_predictor="nim")
Start = Callable[..., Client]


@pytest.fixture(scope="module")
def shared_server() -> Iterator[InferenceServer]:
    with InferenceServer() as server:
        yield server


@pytest.fixture
def inference_server(shared_server: InferenceServer) -> InferenceServer:
    shared_server.reset()
    return shared_server


@pytest.fixture
def serve_with(
    inference_server: InferenceServer, clients_path: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Client]:
    """`serve_with(serve, **environment)`: a client of a model behind the stand-in."""
    monkeypatch.syspath_prepend(clients_path)

    def make(serve: Callable[[Served], Client], **environment: str) -> Client:
        settings = {**inference_server.environment, **environment}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return serve(NIM.with_environment(**settings))

    return make


@pytest.fixture
def start(serve_with: Callable[..., Client], own_client: Serve) -> Start:
    """`start(**environment)`: a client of a server for this test alone."""
    return lambda **environment: serve_with(own_client, **environment)


@pytest.fixture
def client(
    serve_with: Callable[..., Client], shared_clients: Serve, front: str, guard: None
) -> Client:
    """A client of a server that other tests use as well."""
    return serve_with(lambda served: shared_clients(served, front))


def send(client: Client, method: str, path: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.send(Request(method, path, plain(named)))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "HEAD"])
def test_method_and_status_are_passed_on(client, inference_server, method):
    answer = send(client, method, "/directAccess/error")
    assert (answer.status, answer.header("Retry-After")) == (503, "7")
    assert inference_server.last.method == method
    assert answer.body == (b"" if method == "HEAD" else b'{"detail": "overloaded"}')


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
def test_other_methods_are_refused(client, inference_server, method):
    answer = send(client, method, "/nim/x")
    assert answer.status == 405
    assert inference_server.state.received == []


@pytest.mark.parametrize(
    "target",
    [
        "/v1/echo/",
        "/a%20b/c%2Fd?q=%20x",
        "/echo?a=1&b=2&a=3",
        "/echo?",
        "/a/../b/./c",
        "/%2e%2e/%2E/x",
        "/a|b;c='d',e~f",
        "/x//y///",
        "/http://elsewhere.example/x",
        "/user@elsewhere.example:80/x",
        "/%E2%80%A8/%ff",
        "/nim/directAccess/x",
    ],
)
def test_target_goes_on_byte_for_byte(client, inference_server, target):
    for route in ("/nim", "/directAccess"):
        assert send(client, "GET", f"{route}{target}").status == 200
        assert inference_server.last.target == target.removesuffix("?")


@pytest.mark.parametrize("path", ["/nim//elsewhere.example/x", "/nim/%2Fx", "/nim/", "/nim"])
def test_target_that_names_another_place_or_none_is_not_there(client, inference_server, path):
    assert send(client, "GET", path).status == 404
    assert inference_server.state.received == []


def test_route_is_known_in_any_spelling(client, inference_server):
    assert send(client, "GET", "/%6Eim/%6Eim").status == 200
    assert inference_server.last.target == "/%6Eim"


def test_prefix_of_the_server_is_not_sent_on(start, inference_server):
    client = start(URL_PREFIX="/models/a")
    assert send(client, "GET", "/models/a/nim/b/c?d").status == 200
    assert inference_server.last.target == "/b/c?d"


def test_headers_are_sent_on_but_not_those_between_neighbours(client, inference_server):
    send(
        client,
        "GET",
        "/nim/echo",
        Authorization="Bearer t",
        X_Foo="bar",
        Cookie="a=1",
        Connection="close, X-Mine",
        X_Mine="1",
        TE="trailers",
        Upgrade="h2c",
        Proxy_Authorization="secret",
        Keep_Alive="1",
        Host="elsewhere.example",
    )
    names = {name.lower() for name, _ in inference_server.last.headers}
    assert names == {"authorization", "x-foo", "cookie", "host"}
    assert inference_server.last.header("Host") == [f"127.0.0.1:{inference_server.port}"]
    assert inference_server.last.header("Authorization") == ["Bearer t"]


def test_answer_headers_come_back_but_not_those_between_neighbours(client):
    answer = send(client, "GET", "/nim/hop")
    for name in ("X-Secret", "Keep-Alive", "Proxy-Authenticate", "Transfer-Encoding"):
        assert answer.header(name) is None
    assert answer.header("X-Request-ID") not in (None, "theirs")
    assert "Python" not in str(answer.header("Server"))


def test_repeated_headers_stay_separate(client):
    answer = send(client, "GET", "/nim/cookies")
    cookies = [value for name, value in answer.headers if name.lower() == "set-cookie"]
    assert cookies == ["a=1; Path=/", "b=2"]
    send(client, "GET", "/nim/echo")


def test_cookies_of_one_client_are_never_sent_for_another(client, inference_server):
    send(client, "GET", "/nim/cookies")
    send(client, "GET", "/nim/echo")
    assert inference_server.last.header("Cookie") == []


def test_redirects_are_not_followed(client, inference_server):
    answer = send(client, "GET", "/nim/redirect")
    assert (answer.status, answer.header("Location")) == (302, "/elsewhere?a=%2f")
    assert len(inference_server.state.received) == 1


def test_compressed_bodies_stay_compressed(client):
    answer = send(client, "GET", "/nim/gzip")
    assert answer.header("Content-Encoding") == "gzip"
    assert answer.body.startswith(b"\x1f\x8b")


@pytest.mark.parametrize(("path", "status"), [("/nim/empty", 204), ("/nim/unchanged", 304)])
def test_answers_without_a_body_come_back(client, path, status):
    answer = send(client, "GET", path)
    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize(("method", "status"), [("GET", 204), ("GET", 304), ("HEAD", 204)])
def test_answers_without_a_body_tell_no_length(client, method, status):
    answer = send(client, method, f"/nim/status/{status}")
    assert (answer.status, answer.header("Content-Length"), answer.body) == (status, None, b"")


def test_answer_to_head_tells_its_length(client):
    answer = send(client, "HEAD", "/nim/status/200")
    assert (answer.status, answer.header("Content-Length"), answer.body) == (200, "5", b"")


@pytest.mark.parametrize("status", [600, 999])
def test_status_that_is_none_is_502(client, status):
    answer = send(client, "GET", f"/nim/status/{status}")
    assert answer.status == 502
    assert f"answered with the status {status}" in answer.json()["message"]
    eventually(lambda: client.server.forwards.figures()["running"] == 0)


@pytest.mark.parametrize(("told", "status"), [(204, 200), (304, 503), (600, 503)])
def test_health_status_that_can_have_no_body_is_changed(start, told, status):
    answer = start(DR_NIM_HEALTH_ROUTE=f"/status/{told}").get("/health/")
    assert answer.status == status
    assert set(answer.json()) == {"message"}


@pytest.mark.parametrize("chunked", [True, False])
def test_body_is_sent_on(client, inference_server, chunked):
    headers = plain({"Content-Type": "application/json"})
    answer = client.send(Request("POST", "/nim/echo", headers, b'{"x":1}', chunked))
    assert answer.status == 200
    assert inference_server.last.body == b'{"x":1}'
    framing = "Transfer-Encoding" if chunked else "Content-Length"
    assert inference_server.last.header(framing) == ["chunked" if chunked else "7"]


@pytest.mark.parametrize("chunked", [True, False])
def test_body_over_the_limit_is_refused(start, inference_server, chunked):
    client = start(DRUM_FASTAPI_MAX_UPLOAD_SIZE="10")
    answer = client.send(Request("POST", "/nim/echo", (), b"x" * 20, chunked))
    assert answer.status == 413
    assert answer.json()["message"].startswith("ERROR: the request body is larger")
    assert inference_server.state.received == []
    eventually(lambda: client.server.forwards.figures()["running"] == 0)


def test_answer_comes_back_piece_by_piece(client, inference_server):
    pieces = client.open(Request("GET", "/nim/slow")).pieces()
    assert next(pieces) == b"first"
    inference_server.state.go_on.set()
    assert b"".join(pieces) == b"second"


def test_client_that_leaves_ends_the_answer(client, inference_server):
    exchange = client.open(Request("GET", "/nim/slow"))
    assert next(exchange.pieces()) == b"first"
    exchange.close()
    assert inference_server.state.left.wait(PATIENCE)
    eventually(lambda: client.server.forwards.figures()["running"] == 0)


def test_client_that_leaves_before_the_answer_ends_the_request(client, inference_server):
    exchange = client.open(Request("GET", "/nim/hang"))
    assert inference_server.state.begun.acquire(timeout=PATIENCE)
    exchange.close()
    assert inference_server.state.left.wait(PATIENCE)
    eventually(lambda: client.server.forwards.figures()["running"] == 0)


def test_slow_direct_access_delays_nothing(start, inference_server):
    client = start(DRUM_MAX_CONCURRENT_REQUESTS="2")
    hanging = [client.open(Request("GET", "/nim/hang")) for _ in range(2)]
    for _ in hanging:
        assert inference_server.state.begun.acquire(timeout=PATIENCE)
    assert client.get("/health/").status == 200
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()
    assert client.send(post("/chat/completions", body, "application/json")).status == 200
    assert (refused := send(client, "GET", "/nim/x")).status == 503
    assert refused.header("Retry-After") == "5"
    inference_server.state.go_on.set()
    assert [exchange.answer().status for exchange in hanging] == [200, 200]


def test_answer_that_is_too_slow_is_504(start, inference_server):
    client = start(NIM_DIRECT_ACCESS_REQUEST_TIMEOUT="0.2")
    # the same limit holds for connecting, with another text: a connection that is kept does not
    eventually(lambda: send(client, "GET", "/nim/x").status == 200)
    answer = send(client, "GET", "/nim/hang")
    assert answer.status == 504
    assert "did not answer within 0.2 s" in answer.json()["message"]


def test_unreachable_server_is_502_and_no_host_is_told(start, free_port):
    client = start(OPENAI_PORT=str(free_port))
    answer = send(client, "GET", "/nim/x")
    assert answer.status == 502
    assert answer.json() == {"message": "ERROR: the NIM server cannot be reached; try again later"}


def test_request_that_cannot_be_sent_is_400(client, front):
    if front == "gunicorn":
        pytest.skip("gunicorn refuses such a path itself")
    assert send(client, "GET", "/nim/a\u00e9").status == 400


@pytest.mark.parametrize("more", ['"temperature": NaN', '"user": "\\ud800"'])
def test_chat_that_no_json_can_hold_is_400(client, more):
    body = f'{{"messages": [{{"role": "user", "content": "hi"}}], {more}}}'.encode()
    answer = client.send(post("/chat/completions", body, "application/json"))
    assert answer.status == 400
    assert "NaN or broken Unicode" in str(answer.json())


def test_chat_answer_with_broken_compression_is_502(client):
    body = json.dumps({"messages": [{"role": "user", "content": "broken gzip"}]}).encode()
    answer = client.send(post("/chat/completions", body, "application/json"))
    assert answer.status == 502


def test_rows_that_nobody_waits_for_are_not_asked(serve_with, own_client, inference_server):
    # the hooks of its folder are not used
    client = serve_with(
        lambda served: own_client(replace(served, gpu_predictor="vllm")),
        DRUM_CLIENT_REQUEST_TIMEOUT="1",
    )
    rows = b"promptText\n" + b"think\n" * 50
    assert client.post("/predict/", rows).status == 504
    eventually(lambda: client.server.gate.figures()["running"] == 0)
    chats = [item for item in inference_server.state.received if "chat" in item.target]
    assert len(chats) < 10


HEALTH_PATHS = ("/", "/ping/", "/ping", "/health/", "/health")


@pytest.mark.parametrize("path", HEALTH_PATHS)
@pytest.mark.parametrize("status", [200, 503, 404])
def test_health_of_the_inference_server_is_told(client, inference_server, path, status):
    inference_server.state.health = (status, b'{"object":"health"}')
    answer = client.get(path)
    assert (answer.status, answer.json()) == (status, {"message": '{"object":"health"}'})


@pytest.mark.parametrize("path", HEALTH_PATHS)
def test_unreachable_inference_server_is_not_ready(start, free_port, path):
    client = start(OPENAI_PORT=str(free_port))
    answer = client.get(path)
    assert answer.status == 503
    assert answer.json()["message"].startswith("NIM server is not ready: ")


def test_readiness_follows_the_inference_server(client, inference_server):
    assert client.get("/readyz").json() == {"status": "ready"}
    inference_server.state.health = (503, b"loading")
    answer = client.get("/readyz")
    assert (answer.status, answer.json()) == (503, {"status": "waiting", "message": "loading"})
    assert client.get("/livez").status == client.get("/info/").status == 200


@pytest.mark.parametrize("route", ["/hang", "/trickle"])
def test_health_that_takes_too_long_is_not_ready(start, monkeypatch, route):
    monkeypatch.setattr("datarobot_drum.drum.root_predictors.forward.HEALTH_TIMEOUT", 0.2)
    client = start(DR_NIM_HEALTH_ROUTE=route)
    answer = client.get("/health/")
    assert answer.status == 503
    assert answer.json() == {"message": "Timeout waiting for NIM health route to respond."}


def test_health_is_the_servers_own_while_it_drains(start, inference_server):
    client = start()
    inference_server.state.health = (500, b"")
    client.server.drain()
    assert client.get("/ping/").status == 200
    assert send(client, "GET", "/nim/x").status == 200


def test_facts_of_a_model_behind_an_inference_server(client):
    facts: dict[str, Any] = client.get("/info/").json()
    assert facts["language"] == "other"
    assert "predictor" not in facts
    assert client.get("/capabilities/").json() == {
        "supported_methods": {"chat": True},
        "supported_payload_formats": {"csv": None},
    }
