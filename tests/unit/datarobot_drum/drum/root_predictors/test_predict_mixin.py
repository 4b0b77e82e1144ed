"""The model routes: from a request's bytes to the model and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from datarobot_drum.drum.errors import InvalidInput, MalformedRequest, UnsupportedMediaType
from datarobot_drum.drum.payloads import DeploymentConfig, UnsupportedFormat
from datarobot_drum.drum.root_predictors.bodies import SPOOL_BYTES, SpooledUploadFile
from datarobot_drum.drum.root_predictors.multipart import UploadedFile
from datarobot_drum.drum.root_predictors.predict_mixin import RequestAdapter
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.routes import ROUTES

Serve = Callable[..., PredictionServer]
Ask = Callable[..., Reply]

FORM = "multipart/form-data; boundary=b"
MISSING = "ERROR: Samples should be provided as:   - a csv or mtx under `X` form-data param key.  "
SUM = """
import pandas as pd
def score(data, model, **kwargs):
    return pd.DataFrame({"Predictions": data.sum(axis=1)})
"""
#: answers with what the hook was given
SEEN = """
import pandas as pd
def score(data, model, **kwargs):
    kwargs["columns"] = list(map(str, data.columns))
    kwargs["target_type"] = kwargs["target_type"].value
    return pd.DataFrame({"text": [repr(kwargs)] * len(data)})
"""
DOUBLE = """
def transform(data, model, y):
    return data * 2
"""
ECHO = """
def score_unstructured(model, data, query, **kwargs):
    return repr((data, dict(query), query.getlist("k"), kwargs))
"""


def form(**files: bytes) -> bytes:
    parts = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n\r\n%b\r\n'
        % (name.encode(), b"m.mtx" if content.startswith(b"%%") else b"f", content)
        for name, content in files.items()
    )
    return parts + b"--b--\r\n"


def message(reply: Reply) -> str:
    return str(json.loads(reply.body)["message"])


@pytest.mark.parametrize("content_type", ["", "text/csv", "text/plain; charset=x", "TEXT/CSV"])
def test_predict_reads_csv_from_the_body(content_type: str, serve: Serve, ask: Ask) -> None:
    reply = ask(serve(SUM), "predict", b"a,b\n1,2\n3,4\n", content_type)
    assert reply == Reply(body=b'{"predictions":[3.0,7.0]}')


def test_predict_reads_the_file_named_x(serve: Serve, ask: Ask) -> None:
    body = form(Z=b"a\n9\n", X=b"a,b\n1,2\n")
    assert ask(serve(SUM), "predict", body, FORM).body == b'{"predictions":[3.0]}'


def test_predict_reads_a_body_that_went_to_disk(serve: Serve) -> None:
    body = SpooledUploadFile(spool_bytes=4)
    body.feed(b"a,b\n1,2\n")
    body.spill()
    route = next(route for route in ROUTES if route.name == "predict")
    reply = serve(SUM).handle(route, RequestAdapter("POST", body=body))
    assert reply.body == b'{"predictions":[3.0]}'
    assert not body.is_on_disk


def test_predict_reads_a_file_part_that_went_to_disk(serve: Serve, ask: Ask) -> None:
    rows = SPOOL_BYTES // 4 + 5
    reply = ask(serve(SUM), "predict", form(X=b"a,b\n" + b"1,2\n" * rows), FORM)
    assert json.loads(reply.body)["predictions"] == [3.0] * rows


def test_predict_reads_a_sparse_matrix_with_its_column_names(serve: Serve, ask: Ask) -> None:
    matrix = b"%%MatrixMarket matrix coordinate real general\n1 2 1\n1 1 5.0\n"
    reply = ask(
        serve(SEEN, "textgeneration"),
        "predict",
        form(**{"X": matrix, "X.colnames": b" one \n\ntwo\n"}),
        FORM,
    )
    assert "'sparse_colnames': ['one', 'two']" in reply.body.decode()
    assert "'mimetype': 'text\\/mtx'" in reply.body.decode()


def test_predict_refuses_column_names_that_are_no_text(serve: Serve, ask: Ask) -> None:
    body = form(**{"X": b"a\n1\n", "X.colnames": b"\xff\xfe"})
    reply = ask(serve(SUM), "predict", body, FORM)
    assert reply.status == 422
    assert message(reply) == "ERROR: the column names are not UTF-8; send one column name a line"


def test_predict_tells_the_hook_where_the_rows_come_from(serve: Serve, ask: Ask) -> None:
    body = b"a,b\n1,2\n"
    reply = ask(serve(SEEN, "textgeneration"), "predict", body, "text/csv; charset=utf-8")
    (seen,) = json.loads(reply.body)["predictions"]
    assert f"'binary_data': {body!r}" in seen
    assert "'mimetype': 'text/csv'" in seen
    assert "'charset': 'utf-8'" in seen
    assert "'sparse_colnames': None" in seen


def test_predict_answers_in_platform_format_when_configured(serve: Serve, ask: Ask) -> None:
    server = serve(SUM)
    server.deployment = DeploymentConfig("y")
    (row,) = json.loads(ask(server, "predict", b"a\n1\n").body)["data"]
    assert row["prediction"] == 1.0


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", ""),
        (b"", "text/csv"),
        (form(), FORM),
        (form(x=b"a\n1\n"), FORM),
        (b"rubbish", FORM),
        (b"a=1", "application/x-www-form-urlencoded"),
    ],
)
def test_predict_without_data_says_how_to_send_it(
    body: bytes, content_type: str, serve: Serve, ask: Ask
) -> None:
    reply = ask(serve(SUM), "predict", body, content_type)
    assert reply.status == 422
    assert message(reply).startswith(MISSING)


@pytest.mark.parametrize(
    ("content_type", "shown"),
    [
        ("multipart/form-data", "multipart/form-data"),
        ("Multipart/Form-Data; boundary=", "Multipart/Form-Data"),
        ("application/octet-stream", "application/octet-stream"),
        ("Application/JSON; a=b", "Application/JSON"),
    ],
)
def test_predict_refuses_other_formats(
    content_type: str, shown: str, serve: Serve, ask: Ask
) -> None:
    reply = ask(serve(SUM), "predict", b"x", content_type)
    assert reply.status == 422
    assert message(reply).startswith(f"ERROR: payload format `{shown}` is not supported")


@pytest.mark.parametrize("content_type", ["image/png", "application/x-www-form-urlencoded"])
def test_predict_takes_any_format_with_a_hook_that_reads(
    content_type: str, serve: Serve, ask: Ask
) -> None:
    code = SUM + "def read_input_data(data): return pd.DataFrame({'n': [len(data)]})"
    assert ask(serve(code), "predict", b"12345", content_type).body == b'{"predictions":[5.0]}'


@pytest.mark.parametrize("name", ["predict", "transform", "predict_unstructured", "chat"])
@pytest.mark.parametrize("encoding", ["gzip", "br", "GZIP, deflate", "x" * 5000])
def test_compressed_bodies_are_refused(name: str, encoding: str, serve: Serve, ask: Ask) -> None:
    code, target = {
        "transform": (DOUBLE, "transform"),
        "predict_unstructured": (ECHO, "unstructured"),
    }.get(name, (SUM, "regression"))
    headers = (("content-encoding", encoding),)
    reply = ask(serve(code, target), name, b"a\n1\n", "text/csv", headers)
    assert reply.status == 415
    assert len(reply.body) < 200


def test_identity_is_no_compression(serve: Serve, ask: Ask) -> None:
    headers = (("Content-Encoding", " Identity "),)
    assert ask(serve(SUM), "predict", b"a\n1\n", "text/csv", headers).status == 200


@pytest.mark.parametrize("content_type", ["text/csv", "", "multipart/form-data; boundary=b"])
def test_body_over_its_declared_limit_is_413(content_type: str, serve: Serve) -> None:
    body = SpooledUploadFile(limit=3)
    body.declare(4)
    route = next(route for route in ROUTES if route.name == "predict")
    reply = serve(SUM).handle(route, RequestAdapter("POST", content_type=content_type, body=body))
    assert reply.status == 413


@pytest.mark.parametrize(
    ("code", "target", "route", "hint"),
    [
        (DOUBLE, "transform", "predict", "'transform', use the /transform/ endpoint"),
        (ECHO, "unstructured", "predict", "'unstructured', use the /predictUnstructured/ or"),
        (SUM, "regression", "transform", "TargetType.REGRESSION, use the /predict/"),
        (ECHO, "unstructured", "transform", "TargetType.UNSTRUCTURED, use the /predictUnst"),
        (SUM, "regression", "predict_unstructured", "use either /predict/ or /predictions/"),
    ],
)
def test_wrong_route_for_the_target_type_names_the_right_one(
    code: str, target: str, route: str, hint: str, serve: Serve, ask: Ask
) -> None:
    reply = ask(serve(code, target), route, b"a\n1\n")
    assert reply.status == 422
    assert hint in message(reply)


@pytest.mark.parametrize("files", [{}, {"y": b""}, {"y": b"t\n5\n"}])
def test_transform_answers_with_a_form(files: dict[str, bytes], serve: Serve, ask: Ask) -> None:
    reply = ask(serve(DOUBLE, "transform"), "transform", form(X=b"a\n1\n", **files), FORM)
    answer = RequestAdapter("POST", content_type=reply.content_type)
    assert len(answer.parameters["boundary"]) == 32
    assert b"\r\n\r\na\r\n2\r\n--" in reply.body
    assert (b"\r\n\r\nt\r\n5\r\n--" in reply.body) is (files.get("y") == b"t\n5\n")


def test_transform_reads_the_body_as_well(serve: Serve, ask: Ask) -> None:
    reply = ask(serve(DOUBLE, "transform"), "transform", b"a\n1\n", "text/csv")
    assert b"\r\n\r\na\r\n2\r\n--" in reply.body


def test_unstructured_hook_sees_text_query_and_headers(serve: Serve, ask: Ask) -> None:
    server = serve(ECHO, "unstructured")
    headers = (("x-foo", "1"), ("X-Foo", "2"))
    reply = ask(
        server, "predict_unstructured", b"hi", "text/Plain; charset=latin1", headers, "k=1&k=2"
    )
    data, query, values, keywords = eval(reply.body)  # noqa: S307  # made by our own hook
    assert (data, query, values) == ("hi", {"k": "1"}, ["1", "2"])
    assert keywords == {
        "mimetype": "text/Plain",
        "charset": "latin1",
        "headers": {"X-Foo": "1,2"},
    }
    assert reply.content_type == "text/plain; charset=utf-8"


def test_unstructured_hook_sees_other_data_as_bytes(serve: Serve, ask: Ask) -> None:
    reply = ask(serve(ECHO, "unstructured"), "predict_unstructured", b"\xff", "image/png")
    assert reply.body.decode() == repr((b"\xff", {}, [], {"mimetype": "image/png", "headers": {}}))


COMPLETION = """
def chat(params, model, headers):
    return {"object": "chat.completion", "choices": [{"message": {"content": repr(params)}}],
            "header": headers["X-FOO"]}
"""
CHUNKS = """
def chat(params, model):
    for letter in params["letters"]:
        if letter == "!":
            raise ValueError("no more")
        yield {"object": "chat.completion.chunk", "letter": letter}
"""


@pytest.mark.parametrize("content_type", ["application/json", "application/vnd.x+json; a=b"])
def test_chat_answers_with_the_completion(content_type: str, serve: Serve, ask: Ask) -> None:
    body = b'{"datarobot_association_id": 7, "messages": null, "x": NaN}'
    server = serve(COMPLETION, "textgeneration")
    reply = ask(server, "chat", body, content_type, (("x-foo", "bar"),))
    answer = json.loads(reply.body)
    assert (answer["datarobot_association_id"], answer["header"]) == (7, "bar")
    assert "'messages': None" in answer["choices"][0]["message"]["content"]


@pytest.mark.parametrize("sent", ["{}", '{"datarobot_association_id": ""}'])
def test_chat_makes_an_association_id_where_none_was_sent(
    sent: str, serve: Serve, ask: Ask
) -> None:
    headers = (("X-Foo", "bar"),)
    reply = ask(serve(COMPLETION), "chat", sent.encode(), "application/json", headers)
    assert len(json.loads(reply.body)["datarobot_association_id"]) == 36


def stream(letters: str, serve: Serve, ask: Ask) -> list[str]:
    body = json.dumps({"letters": letters, "datarobot_association_id": "a1"}).encode()
    reply = ask(serve(CHUNKS, "textgeneration"), "chat", body, "application/json")
    assert reply.stream is not None
    assert reply.content_type == "text/event-stream; charset=utf-8"
    assert dict(reply.headers) == {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return [piece.decode() for piece in reply.stream]


def test_chat_streams_events_that_end_with_done(serve: Serve, ask: Ask) -> None:
    first, second, last = stream("a\u2028", serve, ask)
    assert json.loads(first.removeprefix("data: ")) == {
        "object": "chat.completion.chunk",
        "letter": "a",
        "datarobot_association_id": "a1",
    }
    assert second.count("\n") == 2
    assert last == "data: [DONE]\n\n"


UPSTREAM = """
from datarobot_drum.drum.upstream import UpstreamStream


class Stream(UpstreamStream):
    is_cut = False

    def __iter__(self):
        yield {"object": "chat.completion.chunk", "cut": Stream.is_cut}
        yield {"object": "chat.completion.chunk", "cut": Stream.is_cut}

    def interrupt(self):
        Stream.is_cut = True


def chat(params, model):
    return Stream()
"""


def test_chat_stream_of_an_inference_server_can_be_interrupted(serve: Serve, ask: Ask) -> None:
    reply = ask(serve(UPSTREAM, "textgeneration"), "chat", b"{}", "application/json")
    assert reply.stream is not None and reply.interrupt is not None
    pieces = iter(reply.stream)
    assert b'"cut":false' in next(pieces).replace(b" ", b"")
    reply.interrupt()
    assert b'"cut":true' in next(pieces).replace(b" ", b"")


def test_chat_stream_that_breaks_ends_with_the_error(serve: Serve, ask: Ask) -> None:
    assert stream("a!", serve, ask)[1:] == [
        'data: {"error": {"message": "no more", "type": "ValueError"}}\n\n'
    ]


def test_chat_that_fails_at_once_gets_an_ordinary_error(serve: Serve, ask: Ask) -> None:
    reply = ask(serve(CHUNKS), "chat", b'{"letters": "!"}', "application/json")
    assert (reply.status, message(reply)) == (500, "ERROR: no more")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_chat_answers_broken_json_as_clients_know_it(body: bytes, serve: Serve, ask: Ask) -> None:
    reply = ask(serve(COMPLETION), "chat", body, "application/json")
    assert reply.status == 400
    assert list(json.loads(reply.body)) == ["error"]


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"5"])
def test_chat_wants_an_object(body: bytes, serve: Serve, ask: Ask) -> None:
    reply = ask(serve(COMPLETION), "chat", body, "application/json")
    assert reply.status == 400
    assert "the body must be a JSON object" in message(reply)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [("", "none"), ("text/plain; a=b", "text/plain"), ("text/x+json", "text/x+json")],
)
def test_chat_wants_json(sent: str, shown: str, serve: Serve, ask: Ask) -> None:
    reply = ask(serve(COMPLETION), "chat", b"{}", sent)
    assert reply.status == 415
    assert message(reply).endswith(f"must be application/json; {shown} was sent")


def test_models_are_listed_in_openai_s_form(serve: Serve, ask: Ask) -> None:
    code = SUM + "def get_supported_llm_models(model): return [{'object': 'model', 'id': 'm'}]"
    reply = ask(serve(code, "textgeneration"), "get_supported_llm_models")
    assert json.loads(reply.body) == {"object": "list", "data": [{"object": "model", "id": "m"}]}


@pytest.mark.parametrize(
    ("content_type", "parameters"),
    [
        ("text/csv", {}),
        ('a/b; CharSet="ut f"; x', {"charset": "ut f"}),
        ("a/b; charset*=utf-8''l%C3%A9", {"charset": "lé"}),
        ("a/b; charset*0=ut; charset*1=f8", {"charset": "utf8"}),
        ("a/b; charset*=no-such''x", {"charset": "x"}),
    ],
)
def test_request_reads_the_parameters_of_its_content_type(
    content_type: str, parameters: dict[str, str]
) -> None:
    assert RequestAdapter(content_type=content_type).parameters == parameters


def test_request_of_nothing_is_empty() -> None:
    request = RequestAdapter()
    assert (request.method, request.path, request.media_type) == ("GET", "/", "")
    assert (dict(request.headers), request.query, request.charset) == ({}, {}, None)
    assert request.file("X") is None


def test_request_without_a_form_has_no_files() -> None:
    request = RequestAdapter(content_type="text/csv", body=SpooledUploadFile.of(form(X=b"1")))
    assert request.file("X") is None


def test_request_without_a_boundary_names_its_content_type() -> None:
    with pytest.raises(UnsupportedFormat, match="`multipart/form-data`"):
        RequestAdapter(content_type="multipart/form-data").file("X")


def test_request_with_an_overlong_boundary_is_refused() -> None:
    request = RequestAdapter(content_type=f"multipart/form-data; boundary={'b' * 3000}")
    with pytest.raises(InvalidInput, match="boundary of the multipart body is too long"):
        request.file("X")


def test_request_closes_its_body_and_its_parts() -> None:
    body = SpooledUploadFile(spool_bytes=1)
    body.feed(form(X=b"1" * (SPOOL_BYTES + 1)))
    body.spill()
    request = RequestAdapter(content_type=FORM, body=body)
    upload = request.file("X")
    assert isinstance(upload, UploadedFile)
    assert upload.body.is_on_disk
    request.close()
    assert not upload.body.is_on_disk
    assert not body.is_on_disk


def test_request_whose_form_is_cut_off_leaves_no_file_open() -> None:
    body = SpooledUploadFile.of(form(X=b"1" * (SPOOL_BYTES * 2))[:-10])
    request = RequestAdapter(content_type=FORM, body=body)
    with pytest.raises(InvalidInput):
        request.file("X")
    request.close()


@pytest.mark.parametrize(
    ("content_type", "error"),
    [("text/plain", UnsupportedMediaType), ("application/json", MalformedRequest)],
)
def test_request_that_is_no_json_says_so(content_type: str, error: type[Exception]) -> None:
    request: Any = RequestAdapter(content_type=content_type, body=SpooledUploadFile.of(b"{"))
    with pytest.raises(error):
        request.json()
