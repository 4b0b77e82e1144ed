"""Triton's official HTTP client through direct access, and requests without a client."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.stand_ins.inference_server import InferenceServer

#: In a process of its own: the client brings gevent's loop with it.
CLIENT = """
import sys
import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

client = InferenceServerClient(url=sys.argv[1])
assert client.is_server_ready()
data = InferInput("IN", [3], "INT32")
data.set_data_from_numpy(np.array([1, 10, -1], dtype=np.int32), binary_data=sys.argv[2] == "binary")
answer = client.infer("adder", [data], outputs=[InferRequestedOutput("OUT")])
print(answer.as_numpy("OUT").tolist())
client.close()
"""
CONFIG = 'name: "adder"\nbackend: "python"\n'


@pytest.fixture(scope="module")
def upstream() -> Iterator[InferenceServer]:
    with InferenceServer() as server:
        yield server


@pytest.fixture
def inference_server(upstream: InferenceServer) -> Iterator[InferenceServer]:
    yield upstream
    # the next server waits until it is healthy again
    upstream.reset()


@pytest.fixture(scope="module", params=["flask", "gunicorn", "fastapi"])
def server(request, running_server, upstream, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    (folder / "config.pbtxt").write_text(CONFIG)
    place = ("--triton-host", "http://127.0.0.1", "--triton-http-port", str(upstream.port))
    target = ("--target-type", "unstructured", "--gpu-predictor", "triton")
    with running_server(folder, *target, *place, server_type=request.param) as running:
        yield running


@pytest.mark.parametrize("form", ["binary", "json"])
def test_official_client_infers_through_direct_access(server, clients_path, form):
    address = f"127.0.0.1:{server.port}/directAccess"
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, address, form],
        env={"PYTHONPATH": clients_path, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[2, 11, 0]", done.stderr


def test_unstructured_requests_are_inferred(server, inference_server):
    body = b'{"inputs":[{"name":"IN","datatype":"INT32","shape":[1],"data":[4]}]}'
    headers = {"Content-Type": "application/json", "X-Trace": "t"}
    reply = server.post("/predictUnstructured/", content=body, headers=headers)
    assert reply.json()["outputs"][0]["data"] == [5]
    assert inference_server.last.header("X-Trace") == ["t"]
    inference_server.state.health = (400, b"")
    assert server.get("/health/").status_code == 400
    assert server.post("/predict/", content=b"a\n1\n").status_code == 422


def test_headers_of_any_bytes_are_sent_on(server, inference_server):
    body = b'{"inputs":[{"name":"IN","datatype":"INT32","shape":[1],"data":[4]}]}'
    headers = {b"X-Trace": b"J\xfcrgen", b"Accept-Encoding": b"br"}
    assert server.post("/predictUnstructured/", content=body, headers=headers).status_code == 200
    assert inference_server.last.header("X-Trace") == ["J\u00fcrgen"]
    assert inference_server.last.header("Accept-Encoding") == ["identity"]


def test_body_that_is_nested_too_deeply_is_for_the_inference_server_to_judge(server):
    reply = server.post("/predictUnstructured/", content=b"[" * 100_000)
    # the stand-in breaks off
    assert reply.status_code == 502
