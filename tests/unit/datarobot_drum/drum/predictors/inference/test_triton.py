"""Models on a Triton server: which one, and how its requests are sent on."""

from __future__ import annotations

import json

import pytest

from datarobot_drum.drum.errors import NotSupported, StartupError, UpstreamError
from datarobot_drum.drum.payloads import Payload
from datarobot_drum.drum.predictors.inference.triton import find_model_name, header_length

CONFIG = """
# a comment: "x"
name: "adder"  platform: 'onnxruntime_onnx'
input [ { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] } ]
output { name: "OUT" }
"""
TENSOR = {"name": "IN", "datatype": "INT32", "shape": [2]}
BINARY = b"\x01\x00\x00\x00\x0a\x00\x00\x00"


def json_request(**tensor) -> bytes:
    return json.dumps({"inputs": [{**TENSOR, **tensor}]}).encode()


def binary_request(space: bytes = b"") -> bytes:
    return json_request(parameters={"binary_data_size": len(BINARY)}) + space + BINARY


@pytest.fixture
def model(load, tmp_path):
    (tmp_path / "config.pbtxt").write_text(CONFIG)
    return load(gpu_predictor="triton", target_type="unstructured")


def infer(model, body: bytes, headers=None):
    return model.predict_unstructured(body, "application/json", None, {}, headers or {})


def test_json_is_sent_on(model, inference_server):
    reply = infer(model, json_request(data=[1, 2]), {"X-Trace": "t", "Host": "x"})
    assert json.loads(reply.body)["outputs"][0]["data"] == [2, 3]
    assert reply.content_type == "application/json"
    assert inference_server.last.target == "/v2/models/adder/infer"
    assert inference_server.last.header("X-Trace") == ["t"]
    assert inference_server.last.header("Inference-Header-Content-Length") == []
    assert inference_server.last.header("Host") == [f"127.0.0.1:{inference_server.port}"]


def test_headers_are_sent_on_byte_for_byte(model, inference_server):
    infer(model, json_request(data=[1]), {"X-Name": "J\u00fcrgen"})
    assert inference_server.last.header("X-Name") == ["J\u00fcrgen"]


def test_compression_that_the_client_reads_is_not_asked_for(model, inference_server):
    infer(model, json_request(data=[1]), {"Accept-Encoding": "br"})
    assert inference_server.last.header("Accept-Encoding") == ["identity"]


@pytest.mark.parametrize("space", [b"", b"\n"])
def test_binary_tensors_are_sent_on_and_come_back(model, space):
    reply = infer(model, binary_request(space))
    (name, length), *others = reply.headers
    assert (name, others) == ("Inference-Header-Content-Length", [])
    assert reply.body[int(length) :] == b"\x02\x00\x00\x00\x0b\x00\x00\x00"


def test_length_that_the_client_tells_is_kept(model, inference_server):
    length = str(len(binary_request()) - len(BINARY))
    infer(model, binary_request(), {"inference-header-content-length": length})
    assert inference_server.last.header("Inference-Header-Content-Length") == [length]


@pytest.mark.parametrize(
    ("body", "length"),
    [
        (b'{"a":1}', None),
        (b'{"a":1}\n ', None),
        (b"no JSON", None),
        (b'{"inputs":[{"parameters":{"binary_data_size":0.5}}]}\nx', 52),
        pytest.param(b"[" * 100_000, None, id="deep"),
        (b'{"a":"\xc3\xa9"}\x01', 10),
        (b'{"a":1}\nx', 7),
    ],
)
def test_length_of_the_json_is_found(body, length):
    assert header_length(body) == length


def test_binary_data_that_begins_with_a_line_feed_is_not_cut():
    head = json_request(parameters={"binary_data_size": 4})
    assert header_length(head + b"\x0a\x00\x00\x00") == len(head)
    assert header_length(head + b"\x0a" + b"\x0a\x00\x00\x00") == len(head) + 1


def test_error_of_the_server_keeps_its_status(model):
    model.model_name = "no such"
    with pytest.raises(UpstreamError, match="unknown path /v2/models/no%20such/infer") as error:
        infer(model, b"{}")
    assert error.value.status == 404


def test_server_that_is_down_is_a_bad_gateway(load, tmp_path, inference_server):
    (tmp_path / "config.pbtxt").write_text(CONFIG)
    model = load(gpu_predictor="triton", target_type="unstructured")
    inference_server.__exit__()
    with pytest.raises(UpstreamError) as error:
        infer(model, b"{}")
    assert error.value.status == 502


def test_tables_are_refused(model):
    for call in (
        lambda: model.predict(Payload(b"a\n1\n")),
        lambda: model.predict_table(None, None),
    ):
        with pytest.raises(NotSupported, match="Predict structured is not supported"):
            call()


def test_facts_of_the_model(model, inference_server):
    assert model.upstream.health_path == "/v2/health/ready"
    assert model.upstream.address == f"http://127.0.0.1:{inference_server.port}"
    assert model.info()["language"] == "other"
    assert not model.can_chat


def test_model_is_the_only_one_that_is_no_ensemble(tmp_path):
    for name, config in (("m", 'backend: "fil"'), ("both", 'platform: "ensemble"')):
        (tmp_path / "repo" / name).mkdir(parents=True)
        (tmp_path / "repo" / name / "config.pbtxt").write_text(config)
    assert find_model_name(str(tmp_path)) == "m"


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        ([], "must have one config.pbtxt that is no ensemble; it has 0"),
        (['backend: "fil"', 'backend: "fil"'], "it has 2"),
        (['platform: "ensemble"'], "it has 0"),
        (['backend: "magic"'], "backend 'magic' is not known; use one of dali"),
        (['name: "x"'], "backend '' is not known"),
        (["\xff"], "cannot read"),
    ],
)
def test_folder_without_just_one_model_ends_the_start(tmp_path, configs, message):
    for number, config in enumerate(configs):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "config.pbtxt").write_bytes(config.encode("latin-1"))
    with pytest.raises(StartupError, match=message):
        find_model_name(str(tmp_path))
