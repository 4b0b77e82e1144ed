"""What clients send never comes back in an error, and is never logged at INFO."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.replies import Reply

MARK = b"p4tient-Jane-Doe"
FEW = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SCORE = """
import pandas as pd
def score(data, model):
    return pd.DataFrame({"Predictions": [1.0] * len(data)})
def chat(params, model):
    return {"object": "chat.completion", "choices": [{"message": {"content": "hello"}}]}
"""
UNSTRUCTURED = "def score_unstructured(model, data): return 'answer'"
noise = st.binary(max_size=12)
content_types = st.sampled_from(
    [
        "",
        "text/csv",
        "text/mtx",
        "text/plain; charset=utf-16",
        "text/plain; charset=idna",
        "text/plain; charset=undefined",
        "application/json",
        "application/vnd.apache.parquet",
        "application/octet-stream",
        "multipart/form-data; boundary=b",
        "multipart/form-data",
    ]
)


def check(reply: Reply, log: str) -> None:
    # a table that could be read is the model's: here the constant 1.0
    assert MARK not in reply.body
    assert MARK.decode() not in log
    if reply.status >= 400:
        assert set(json.loads(reply.body)) <= {"message", "error"}
        assert b"internal error" not in reply.body


@FEW
@given(
    name=st.sampled_from(["predict", "chat"]),
    before=noise,
    after=noise,
    content_type=content_types,
)
@example(name="predict", before=b'a\n"', after=b"", content_type="text/csv")
@example(name="predict", before=b"a\n1,", after=b"", content_type="text/csv")
@example(name="predict", before=b"\xff", after=b"", content_type="text/csv")
@example(
    name="predict",
    before=b"--b\r\n",
    after=b"\r\n\r\n",
    content_type="multipart/form-data; boundary=b",
)
@example(
    name="predict",
    before=b"%%MatrixMarket matrix coordinate real general\n",
    after=b"",
    content_type="text/mtx",
)
@example(name="chat", before=b'{"a":', after=b"", content_type="application/json")
def test_table_that_cannot_be_read_is_not_shown(
    name: str,
    before: bytes,
    after: bytes,
    content_type: str,
    serve: Callable[..., PredictionServer],
    ask: Callable[..., Reply],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.clear()
    caplog.set_level(logging.INFO)
    reply = ask(serve(SCORE), name, before + MARK + after, content_type)
    check(reply, caplog.text)


@FEW
@given(before=noise, after=noise, content_type=content_types)
@example(before=b"", after=b"\xff", content_type="text/plain")
@example(before=b"", after=b"\xff", content_type="text/plain; charset=idna")
@example(before=b"", after=b"", content_type="text/plain; charset=undefined")
@example(before=b"", after=b"", content_type="text/plain; charset=hex")
def test_text_that_cannot_be_decoded_is_not_shown(
    before: bytes,
    after: bytes,
    content_type: str,
    serve: Callable[..., PredictionServer],
    ask: Callable[..., Reply],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.clear()
    caplog.set_level(logging.INFO)
    reply = ask(
        serve(UNSTRUCTURED, "unstructured"),
        "predict_unstructured",
        before + MARK + after,
        content_type,
    )
    check(reply, caplog.text)
