"""Chats, prompts of a table and lists of models, sent on to an inference server."""

from __future__ import annotations

import sys

import pytest

from datarobot_drum.drum.errors import (
    InvalidInput,
    MalformedRequest,
    NotSupported,
    StartupError,
    UpstreamError,
    UpstreamTimeout,
)
from datarobot_drum.drum.payloads import Payload
from datarobot_drum.drum.predictors import load_model
from datarobot_drum.drum.settings import ModelSpec, Settings

HOOKS = """
import pandas as pd


def load_model(code_dir):
    return "loaded"


def chat(params, model):
    return None


def score(data, model, base_url, openai_client, **kwargs):
    names = [item.id for item in openai_client.models.list()]
    return pd.DataFrame({"reply": [f"{model} {base_url} {names}"] * len(data)})


def score_unstructured(model, data, query, base_url=None, openai_client=None, **kwargs):
    return f"{data} {base_url} {type(openai_client).__name__}"
"""


def asked(words="hi", **more):
    return {"messages": [{"role": "user", "content": words}], **more}


def rows(text: str) -> Payload:
    return Payload(text.encode(), media_type="text/csv", from_request=True)


@pytest.mark.parametrize("model", [{}, {"model": ""}, {"model": "datarobot-deployed-llm"}])
def test_model_that_clients_do_not_name_is_the_first_of_the_server(load, inference_server, model):
    answer = load().chat(asked(**model), {})
    assert answer["model"] == "up-model"
    assert inference_server.last.json()["model"] == "up-model"


def test_model_that_clients_name_is_kept(load):
    assert load().chat(asked(model="mine"), {})["model"] == "mine"


def test_list_of_models_is_asked_for_once(load, inference_server):
    model = load()
    for _ in range(3):
        model.chat(asked(), {})
    targets = [item.target for item in inference_server.state.received]
    assert targets.count("/v1/models") == 1


def test_name_of_the_model_is_forgotten_when_the_server_does_not_know_it(load, inference_server):
    model = load()
    model.chat(asked(), {})
    with pytest.raises(UpstreamError):
        model.chat(asked("404"), {})
    model.chat(asked(), {})
    targets = [item.target for item in inference_server.state.received]
    assert targets.count("/v1/models") == 2


def test_all_keys_are_sent_on(load, inference_server):
    load().chat(asked(tools=[1], new_key={"a": None}, datarobot_association_id="a1"), {})
    sent = inference_server.last.json()
    assert {key: sent[key] for key in ("tools", "new_key", "datarobot_association_id")} == {
        "tools": [1],
        "new_key": {"a": None},
        "datarobot_association_id": "a1",
    }


def test_stream_gives_each_chunk(load):
    chunks = list(load().chat(asked(stream=True), {}))
    assert [chunk["choices"][0]["delta"]["content"] for chunk in chunks] == ["A", "\u2028B"]


@pytest.mark.parametrize(
    ("words", "message"),
    [("cut", "cannot be reached"), ("close early", "early"), ("fail", "out of memory")],
)
def test_stream_that_breaks_raises_after_its_chunks(load, words, message):
    chunks = iter(load().chat(asked(words, stream=True), {}))
    assert next(chunks)["choices"][0]["delta"]["content"] == "A"
    with pytest.raises(UpstreamError, match=message):
        next(chunks)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_error_of_the_server_keeps_status_message_and_details(load, status):
    with pytest.raises(UpstreamError) as error:
        load().chat(asked(str(status)), {})
    assert error.value.status == status
    assert str(error.value) == f"Error code: {status} - refused with {status}"
    assert error.value.retry_after == 3
    fault = {"message": f"refused with {status}", "type": "refusal", "code": "no"}
    assert error.value.fields == {"error": fault}


@pytest.mark.parametrize("more", [{"temperature": float("nan")}, {"user": "\ud800"}])
def test_request_that_no_json_can_hold_is_refused(load, more):
    with pytest.raises(MalformedRequest, match="NaN or broken Unicode"):
        load().chat(asked(**more), {})


@pytest.mark.parametrize("stream", [False, True])
def test_answer_with_broken_compression_is_a_bad_gateway(load, stream):
    with pytest.raises(UpstreamError, match="cannot be decompressed") as error:
        list(load().chat(asked("broken gzip", stream=stream), {}))
    assert error.value.status == 502


def test_server_that_is_down_is_a_bad_gateway(load, free_port):
    with pytest.raises(UpstreamError, match=r"^Connection error\.") as error:
        load(OPENAI_PORT=str(free_port)).chat(asked(model="m"), {})
    assert error.value.status == 502
    assert str(free_port) not in str(error.value)


@pytest.mark.parametrize("name", ["DRUM_OPENAI_CLIENT_TIMEOUT", "DRUM_CLIENT_REQUEST_TIMEOUT"])
def test_server_that_is_slow_is_a_gateway_timeout(load, name):
    with pytest.raises(UpstreamTimeout, match="within 0.2 s") as error:
        load(**{name: "0.2"}).chat(asked("hang", model="m"), {})
    assert error.value.status == 504


def test_rows_are_prompts(load, inference_server):
    predictions = load().predict(rows("promptText,id\nhello,1\n2.5,2\n"))
    assert predictions.frame.iloc[:, 0].tolist() == ["hello 0", "2.5 0"]
    assert predictions.extra is None
    assert inference_server.last.json() == {
        "model": "up-model",
        "messages": [{"role": "user", "content": "2.5"}],
        "max_tokens": None,
        "n": 1,
        "temperature": None,
    }


def test_parameters_of_the_prompts_are_those_of_the_operator(load, inference_server):
    parameters = {"system_prompt": "be kind", "max_tokens": "7", "n": "2", "temperature": "0.5"}
    variables = {f"MLOPS_RUNTIME_PARAM_{name}": value for name, value in parameters.items()}
    model = load(**variables, MLOPS_RUNTIME_PARAM_prompt_column_name="q")
    predictions = model.predict(rows("q\nhello\n"))
    sent = inference_server.last.json()
    assert sent["messages"][0] == {"role": "system", "content": "be kind"}
    assert (sent["max_tokens"], sent["n"], sent["temperature"]) == (7, 2, 0.5)
    assert predictions.extra.to_dict("list") == {"reply_2": ["hello 1"]}


def test_missing_column_is_named(load):
    with pytest.raises(InvalidInput) as error:
        load().predict(rows("q\nhello\n"))
    assert str(error.value) == "Model expects column names '['promptText']'"


def test_only_csv_is_read(load):
    with pytest.raises(InvalidInput, match="text/mtx"):
        load().predict(Payload(b"%%MatrixMarket", media_type="text/mtx", from_request=True))


def test_models_are_those_of_the_server(load):
    assert [item["id"] for item in load().llm_models()] == ["up-model"]


def test_server_that_speaks_another_language_is_a_bad_gateway(load):
    model = load(DRUM_CLIENT_REQUEST_TIMEOUT="5")
    with pytest.raises(UpstreamError, match="no JSON"):
        model.client.ask("/gzip")
    with pytest.raises(UpstreamError, match="Error code: 302") as error:
        model.client.ask("/redirect")
    assert error.value.status == 502


def test_hooks_get_the_address_and_a_client(load, inference_server, caplog):
    model = load(HOOKS, target_type="textgeneration")
    place = f"http://127.0.0.1:{inference_server.port}"
    predictions = model.predict(rows("promptText\nhello\n"))
    assert predictions.frame.iloc[0, 0] == f"loaded {place} ['up-model']"
    assert model.answers_unstructured
    reply = model.predict_unstructured(b"x", "text/plain", None, {}, None)
    assert reply.body == f"x {place} OpenAI"
    assert "not used: hooks chat" in caplog.text


def test_unstructured_requests_need_the_hook(load):
    model = load()
    assert not model.answers_unstructured
    with pytest.raises(NotSupported, match="The unstructured target type is not supported"):
        model.predict_unstructured(b"x", None, None, {}, None)


def test_download_hook_runs_only_where_something_is_downloaded_for(load, tmp_path):
    load("def load_model(code_dir):\n    open(code_dir + '/ran', 'w')\n")
    assert not (tmp_path / "ran").exists()


def test_download_hook_that_fails_ends_the_start(load):
    broken = HOOKS.replace('return "loaded"', "raise ValueError('no disk')")
    with pytest.raises(StartupError, match="'load_model' hook failed to load the.*no disk"):
        load(broken)


def test_client_package_that_is_missing_ends_the_start(load, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(StartupError, match=r"^OpenAI Python SDK is not installed$"):
        load()
    assert "pip install 'opendrum[openai]'" in caplog.text


def test_language_other_needs_an_inference_server(tmp_path):
    spec = ModelSpec(str(tmp_path), "regression", language="other")
    with pytest.raises(StartupError, match="needs an inference server"):
        load_model(spec, Settings.load({}))
