"""The official client of OpenAI against folders with a `chat` hook and against a NIM."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.stand_ins.inference_server import InferenceServer

CHAT_MODEL = """
import os, pathlib, signal, time

from datarobot_drum import CustomHTTPError

GATE = pathlib.Path(os.environ["GATES"], "open")


def load_model(code_dir):
    return "model"


def completion(text):
    message = {"role": "assistant", "content": text}
    return {
        "id": "c1", "object": "chat.completion", "created": 1, "model": "tiny",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }


def chunk(text):
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {
        "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "tiny",
        "choices": [choice],
    }


def stream(words):
    for number in range(3):
        yield chunk(f"{words} {number}")
        if words == "break":
            raise ValueError("lost the thread")
        if words == "die":
            while not GATE.exists():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)


def chat(params, model, headers):
    words = params["messages"][-1]["content"]
    if words.isdigit():
        raise CustomHTTPError(f"refused with {words}", int(words))
    if words == "fail":
        raise ValueError("no words")
    if words == "who":
        return completion(headers["Authorization"])
    if params.get("stream"):
        return stream(words)
    return completion(f"you said {words}")


def get_supported_llm_models(model):
    return [{"id": "tiny", "object": "model", "created": 1, "owned_by": "us"}]
"""

NIM = ("--target-type", "textgeneration", "--gpu-predictor", "nim", "--sidecar")


@pytest.fixture(scope="module")
def openai(clients_path: str) -> Iterator[Any]:
    """The official client, which the package itself does without."""
    sys.path.append(clients_path)
    yield importlib.import_module("openai")
    sys.path.remove(clients_path)


@pytest.fixture(scope="module", params=["flask", "gunicorn", "fastapi"])
def module_server_type(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def serve(running_server, tmp_path_factory):
    """`serve(server_type)`: a server of the folder with the `chat` hook, and where its gate is."""

    def make(server_type: str):
        folder = tmp_path_factory.mktemp("chat")
        (folder / "custom.py").write_text(CHAT_MODEL)
        environment = {"GATES": str(folder), "TARGET_NAME": "reply"}
        target = ("--target-type", "textgeneration")
        return folder, running_server(folder, *target, server_type=server_type, env=environment)

    return make


@pytest.fixture(scope="module")
def server(serve, module_server_type):
    _, context = serve(module_server_type)
    with context as running:
        yield running


@pytest.fixture(scope="module")
def shared_nim(running_server, module_server_type, clients_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nim")
    with InferenceServer() as upstream:
        environment = {**upstream.environment, "PYTHONPATH": clients_path}
        context = running_server(folder, *NIM, server_type=module_server_type, env=environment)
        with context as running:
            yield running, upstream


@pytest.fixture
def nim(shared_nim):
    return shared_nim[0]


@pytest.fixture
def inference_server(shared_nim) -> InferenceServer:
    shared_nim[1].reset()
    return shared_nim[1]


@pytest.fixture
def connect(openai):
    """`connect(server, path)`: a client that sends each request once."""
    clients = []

    def make(server, path="/v1"):
        client = openai.OpenAI(base_url=f"{server.url}{path}", api_key="k", max_retries=0)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def ask(client, words: str, **more: Any) -> Any:
    messages = [{"role": "user", "content": words}]
    return client.chat.completions.create(model="tiny", messages=messages, **more)


def said(stream) -> list[str]:
    return [chunk.choices[0].delta.content for chunk in stream]


@pytest.mark.parametrize("path", ["/v1", "/v1/", ""])
def test_client_chats_streams_and_lists_models(server, connect, path):
    client = connect(server, path)
    assert ask(client, "hi").choices[0].message.content == "you said hi"
    assert said(ask(client, "hi", stream=True)) == ["hi 0", "hi 1", "hi 2"]
    assert [model.id for model in client.models.list()] == ["tiny"]
    assert ask(client, "who").choices[0].message.content == "Bearer k"


def test_association_id_comes_back(server, connect):
    extra = {"datarobot_association_id": "a1"}
    answer = ask(connect(server), "hi", extra_body=extra)
    assert answer.datarobot_association_id == "a1"
    assert [c.datarobot_association_id for c in ask(connect(server), "hi", stream=True)][0]


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ("400", "BadRequestError", "refused with 400"),
        ("401", "AuthenticationError", "refused with 401"),
        ("404", "NotFoundError", "refused with 404"),
        ("429", "RateLimitError", "refused with 429"),
        ("503", "InternalServerError", "refused with 503"),
        ("fail", "InternalServerError", "ERROR: no words"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_those_of_the_client(server, connect, openai, words, error, message, stream):
    with pytest.raises(getattr(openai, error)) as found:
        ask(connect(server), words, stream=stream)
    assert found.value.body["message"] == message


def test_stream_that_breaks_is_an_error_after_its_chunks(server, connect, openai):
    stream = iter(ask(connect(server), "break", stream=True))
    assert next(stream).choices[0].delta.content == "break 0"
    with pytest.raises(openai.APIError, match="lost the thread"):
        next(stream)


def test_stream_of_a_server_that_dies_is_an_error(serve, connect, openai, server_type):
    folder, context = serve(server_type)
    with context as server:
        stream = iter(ask(connect(server), "die", stream=True))
        assert next(stream).choices[0].delta.content == "die 0"
        (folder / "open").touch()
        with pytest.raises(openai.APIConnectionError):
            said(stream)


def test_many_clients_at_once_get_their_own_answers(server, connect):
    client = connect(server)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: ask(client, f"n{number}"), range(64)))
    texts = [answer.choices[0].message.content for answer in answers]
    assert texts == [f"you said n{number}" for number in range(64)]


def test_nim_chats_streams_and_lists_models(nim, connect):
    client = connect(nim)
    assert ask(client, "hi").choices[0].message.content == "hi 0"
    assert said(ask(client, "hi", stream=True)) == ["A", "\u2028B"]
    assert [model.id for model in client.models.list()] == ["up-model"]
    direct = connect(nim, "/directAccess/v1")
    assert said(ask(direct, "hi", stream=True)) == ["A", "\u2028B"]


@pytest.mark.parametrize(
    ("words", "error"),
    [("400", "BadRequestError"), ("429", "RateLimitError"), ("500", "InternalServerError")],
)
def test_errors_of_a_nim_keep_their_status_and_details(nim, connect, openai, words, error):
    with pytest.raises(getattr(openai, error)) as found:
        ask(connect(nim), words)
    assert f"refused with {words}" in str(found.value)
    assert found.value.response.headers["Retry-After"] == "3"


@pytest.mark.parametrize(
    ("words", "message"),
    [("cut", "cannot be reached"), ("close early", "ended its answer"), ("fail", "out of memory")],
)
def test_stream_of_a_nim_that_breaks_is_an_error(nim, connect, openai, words, message):
    stream = iter(ask(connect(nim), words, stream=True))
    assert next(stream).choices[0].delta.content == "A"
    with pytest.raises(openai.APIError, match=message):
        said(stream)


def test_chats_of_a_nim_run_at_the_same_time(nim, connect, inference_server):
    # the stand-in answers none of them before it has them all
    inference_server.state.together = threading.Barrier(32)
    client = connect(nim)
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: ask(client, "together"), range(32)))
    assert {answer.choices[0].message.content for answer in answers} == {"together 0"}


def test_client_that_leaves_a_stream_frees_the_nim_at_once(nim, connect, inference_server):
    stream = ask(connect(nim), "wait", stream=True)
    assert next(iter(stream)).choices[0].delta.content == "A"
    stream.close()
    if nim_notices_at_once(nim):
        assert inference_server.state.left.wait(30)
    else:
        inference_server.state.go_on.set()


def nim_notices_at_once(nim) -> bool:
    # a WSGI server notices when it sends the next piece
    return nim.get("/info/").json()["drumServer"] == "fastapi"


def test_nim_that_is_down_is_told_as_such(
    start_server, server_type, clients_path, tmp_path, connect, openai, free_port
):
    place = {"OPENAI_PORT": str(free_port), "TARGET_NAME": "reply", "PYTHONPATH": clients_path}
    server = start_server(tmp_path, *NIM, server_type=server_type, env=place, wait=False)
    server.wait_until_ready("/info/")
    with pytest.raises(openai.APIStatusError) as found:
        ask(connect(server), "hi")
    assert found.value.status_code == 502
    assert "Connection error." in found.value.body["message"]


def test_openai_is_not_in_the_environment_of_the_package():
    assert not list(Path(sys.prefix).glob("lib/python3*/site-packages/openai"))
