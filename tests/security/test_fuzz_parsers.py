"""Bytes that nobody foresaw: every parser refuses them with a declared error, soon and small.

`scripts/fuzz` runs the same with more examples (`FUZZ_EXAMPLES`) and another seed (`FUZZ_SEED`).
"""

from __future__ import annotations

import io
import json
import os
import re
import time
from collections.abc import Callable

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from tests.operations.http_requests import CASES as REQUESTS

from datarobot_drum.drum.errors import DrumError, RefusedRequest
from datarobot_drum.drum.payloads import Payload, column_names, is_supported, read_table
from datarobot_drum.drum.root_predictors.bodies import SpooledUploadFile
from datarobot_drum.drum.root_predictors.framing import Framing
from datarobot_drum.drum.root_predictors.multipart import FormReader
from datarobot_drum.drum.root_predictors.predict_mixin import RequestAdapter
from datarobot_drum.runtime_parameters.exceptions import (
    InvalidJsonException,
    InvalidRuntimeParam,
)
from datarobot_drum.runtime_parameters.transport import decode

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
#: Seconds that one example may take, on a machine that has other work.
LONGEST = 20.0

FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TABLE = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": [0.5, 1.5]})
SPARSE = b"%%MatrixMarket matrix coordinate real general\n% note\n2 3 2\n1 1 1.5\n2 3 -2e3\n"


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def ipc(opener: Callable[..., pa.RecordBatchWriter]) -> bytes:
    table = pa.Table.from_pandas(TABLE)

    def write(file: io.BytesIO) -> None:
        with opener(file, table.schema) as writer:
            writer.write_table(table)

    return written(write)


#: A whole payload of each type; examples are these with bytes put in, taken out and replaced.
WHOLE = {
    "text/csv": [TABLE.to_csv(index=False).encode(), b'a\n"x\ny"\n\n1\n', b"a,b\r1,2\r"],
    "text/mtx": [SPARSE, b"%%MatrixMarket matrix array integer symmetric\n2 2\n1\n2\n3\n"],
    "application/json; orient=records": [b'[{"a": 1, "b": null}, {"a": 2, "b": "x"}]'],
    "application/json; orient=split": [b'{"columns": ["a", "b"], "data": [[1, 2], [3, null]]}'],
    "application/vnd.apache.arrow.stream": [ipc(pa.ipc.new_stream)],
    "application/vnd.apache.arrow.file": [ipc(pa.ipc.new_file)],
    "application/vnd.apache.parquet": [
        written(lambda file: pq.write_table(pa.Table.from_pandas(TABLE), file))
    ],
}
#: Bytes that mean something to one of them.
CUTS = st.sampled_from(
    [
        b"",
        b"\n",
        b"\r",
        b'"',
        b",",
        b"\x00",
        b"\xff",
        b"{",
        b"[",
        b"]",
        b"1e999",
        b"-1",
        b"\xfe\xff",
    ]
)
NUMBERS = st.integers(0, 2**63 - 1).map(lambda number: str(number).encode())
PIECES = st.one_of(CUTS, NUMBERS, st.binary(max_size=8))


@st.composite
def damaged(draw: st.DrawFn, wholes: list[bytes]) -> bytes:
    """One of the payloads with bytes put in, taken out or replaced, or cut off; or any bytes."""
    data = draw(st.sampled_from(wholes))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(PIECES) + data[at + draw(st.integers(0, 9)) :]
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


def within_bounds(run: Callable[[], object]) -> None:
    """Run it; only errors that are declared may come, and soon."""
    started = time.monotonic()
    try:
        run()
    except DrumError as error:
        assert 400 <= error.status < 500
    assert time.monotonic() - started < LONGEST


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("content_type", WHOLE)
def test_table_is_read_or_refused(content_type):
    @seed(SEED)
    @FUZZ
    @given(damaged(WHOLE[content_type]))
    def check(data: bytes) -> None:
        request = RequestAdapter(content_type=content_type)
        payload = Payload(data, media_type=request.media_type, parameters=request.parameters)
        if is_supported(payload):
            within_bounds(lambda: read_table(payload))

    check()


@seed(SEED)
@FUZZ
@given(st.one_of(st.binary(max_size=60), damaged([b"a\nb\n\nc"])))
def test_column_names_are_read_or_refused(data):
    within_bounds(lambda: column_names(data))


FORM = (
    b'--b\r\nContent-Disposition: form-data; name="X"; filename="x.csv"\r\n\r\na\n1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="n"\r\nX: y\r\n\r\ntext\r\n--b--\r\n'
)


@seed(SEED)
@FUZZ
@given(damaged([FORM, FORM + FORM, b"pre\r\n" + FORM + b"post"]), st.integers(1, 64))
def test_form_is_read_or_refused(data, size):
    class Slow(io.BytesIO):
        def read(self, _: int | None = -1) -> bytes:
            return super().read(size)

    form = FormReader(b"b", ("X", "X.colnames", "y"))
    within_bounds(lambda: form.read(Slow(data)))
    form.close()


HEADERS = st.text(st.characters(max_codepoint=255), max_size=80)
TYPES = st.one_of(
    HEADERS,
    st.builds(
        "{}; {}={}".format, HEADERS, st.sampled_from(["charset", "boundary", "a*0*"]), HEADERS
    ),
    damaged(
        [
            b'multipart/form-data; boundary="b"; charset=utf-8',
            b"application/json; orient=records; format=pandas-split",
            b"text/plain; charset*=utf-8''%e2%82%ac; a*0=x; a*1*=%41",
        ]
    ).map(lambda data: data.decode("latin-1")),
)


@seed(SEED)
@FUZZ
@given(TYPES)
def test_content_type_is_read_or_refused(content_type):
    request = RequestAdapter(content_type=content_type, body=SpooledUploadFile.of(FORM))

    def read() -> None:
        assert isinstance(request.media_type + request.sent_media_type, str)
        assert all(isinstance(value, str) for value in request.parameters.values())
        assert request.file("X") is None or request.media_type == "multipart/form-data"

    within_bounds(read)
    request.close()


@seed(SEED)
@FUZZ
@given(damaged([b'{"messages": [{"role": "user"}]}', b"[1e999, NaN]", b'"\\ud800"']))
def test_json_of_a_chat_is_read_or_refused(data):
    body = SpooledUploadFile.of(data) if data else None
    within_bounds(RequestAdapter(content_type="application/json", body=body).json)


PARAMETERS = [
    json.dumps({"type": kind, "payload": payload}).encode()
    for kind, payload in (
        ("string", "text"),
        ("boolean", True),
        ("numeric", 1.5),
        ("credential", {"credentialType": "basic", "password": "p"}),
        ("deployment", None),
    )
]


@seed(SEED)
@FUZZ
@given(damaged([*PARAMETERS, b"bare", b" {"]))
def test_runtime_parameter_is_read_or_refused(data):
    text = data.decode("utf-8", "surrogateescape")
    try:
        decode("MLOPS_RUNTIME_PARAM_X", text)
    except (InvalidJsonException, InvalidRuntimeParam) as error:
        # its text may be a credential
        assert "password" not in str(error) or "keys must be" in str(error)


STREAMS = [case.request for case in REQUESTS if len(case.request) < 2000]
HEAD_OF_ALL = re.compile(rb"[A-Z!#$%&'*+.^_`|~0-9-]+ /[!-~]* HTTP/1\.[01]\r\n")


@seed(SEED)
@settings(FUZZ, max_examples=EXAMPLES * 5)
@given(damaged(STREAMS), damaged(STREAMS), st.integers(1, 50))
def test_request_is_let_through_in_one_form_or_refused(first, second, size):
    framing, whole, is_head = Framing(), first + second, True
    started = time.monotonic()
    try:
        for at in range(0, len(whole), size):
            framing.add(whole[at : at + size])
            while piece := framing.take():
                assert not is_head or HEAD_OF_ALL.match(piece), piece
                is_head = not framing.in_body
        framing.end()
    except RefusedRequest as error:
        assert error.status in (400, 413, 414, 417, 431, 501, 505)
    assert time.monotonic() - started < LONGEST
