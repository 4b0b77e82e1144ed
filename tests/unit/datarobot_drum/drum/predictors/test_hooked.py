"""A loaded model: hooks, artifact and checks together."""

from __future__ import annotations

import pickle
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from datarobot_drum.drum.errors import (
    HookError,
    InvalidInput,
    InvalidOutput,
    NotSupported,
    SchemaViolation,
)
from datarobot_drum.drum.exceptions import CustomHTTPError
from datarobot_drum.drum.payloads import Payload, UnsupportedFormat
from datarobot_drum.drum.predictors.hooked import PythonModel

Load = Callable[..., PythonModel]

TABLE = Payload(b"a,b\n1,2\n3,4\n")
RETURNS = """
import pandas as pd
import numpy as np
from datarobot_drum import CustomHTTPError
def score(data, model, **kwargs):
    return {}
"""
SCORE = RETURNS.format("pd.DataFrame({'Predictions': data.sum(axis=1)})")
SEEN = """
import pandas as pd
SEEN = []
def score(data, model, {}):
    SEEN.append(dict(locals()))
    return pd.DataFrame({{"Predictions": [0.0] * len(data)}})
"""


def predicted(model: PythonModel, payload: Payload = TABLE) -> list[Any]:
    return model.predict(payload).frame["Predictions"].tolist()


def seen() -> dict[str, Any]:
    return dict(sys.modules["custom"].SEEN[-1])


def test_score_predicts_each_row(load: Load) -> None:
    assert predicted(load(SCORE)) == [3, 7]


def test_hooks_run_one_after_the_other(load: Load) -> None:
    model = load(
        SCORE
        + """
def read_input_data(data): return pd.DataFrame({"n": list(data)})
def transform(data, model): return data * 10
def post_process(predictions, model): return predictions + 1
"""
    )
    assert predicted(model, Payload(b"\x01\x02")) == [11, 21]


def test_hooks_may_be_async(load: Load) -> None:
    model = load(SCORE + "async def transform(data, model): return data * 10")
    assert predicted(model) == [30, 70]


def test_binary_answer_has_the_labels_as_columns(load: Load) -> None:
    model = load(RETURNS.format("pd.DataFrame({'no': [.2, .3], 'yes': [.8, .7]})"), "binary")
    assert model.predict(TABLE).frame.to_dict("list") == {"no": [0.2, 0.3], "yes": [0.8, 0.7]}


def test_what_score_returns_besides_is_extra(load: Load) -> None:
    returned = "pd.DataFrame({'Predictions': [1, 2], 'why': ['x', 'y']}, index=[7, 8])"
    extra = load(RETURNS.format(returned)).predict(TABLE).extra
    assert extra is not None
    assert extra.to_dict() == {"why": {0: "x", 1: "y"}}


@pytest.mark.parametrize("returned", ["None", "[1, 2]", "np.array([1, 2])", "'text'"])
def test_score_must_return_a_frame(returned: str, load: Load) -> None:
    with pytest.raises(InvalidOutput, match="score must return a dataframe, but received <class"):
        predicted(load(RETURNS.format(returned)))


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ("transform(data, model): return 5", "transform must return a dataframe, but received"),
        ("post_process(p, model): return 5", "Output of post_process hook must be a dataframe"),
    ],
)
def test_other_hooks_must_return_a_frame_too(hook: str, message: str, load: Load) -> None:
    with pytest.raises(InvalidOutput, match=f"{message}.* <class 'int'>"):
        predicted(load(f"{SCORE}def {hook}"))


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ("read_input_data(data)", "Model 'read_input_data' hook failed to read input data."),
        ("transform(data, model)", "Model 'transform hook' failed to transform dataset."),
        ("score(data, model)", "Model 'score' hook failed to make predictions."),
        (
            "post_process(p, model)",
            "Model 'post_process' hook failed to post-process predictions.",
        ),
    ],
)
def test_hook_that_fails_is_named_with_its_exception(hook: str, message: str, load: Load) -> None:
    model = load(f"{SCORE}def {hook}: raise KeyError('x')")
    with pytest.raises(HookError) as raised:
        predicted(model)
    assert str(raised.value) == f"{message} Exception: KeyError('x')"
    assert isinstance(raised.value.__cause__, KeyError)


@pytest.mark.parametrize(
    "hook",
    ["read_input_data(data)", "transform(data, model)", "score(d, model)", "post_process(p, m)"],
)
def test_hook_may_choose_the_status(hook: str, load: Load) -> None:
    with pytest.raises(CustomHTTPError, match="teapot") as raised:
        predicted(load(f"{SCORE}def {hook}: raise CustomHTTPError('teapot', 418)"))
    assert raised.value.status_code == 418


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_row_count_must_be_that_of_the_input(rows: int, load: Load) -> None:
    returned = RETURNS.format(f"pd.DataFrame({{'Predictions': [1.0] * {rows}}})")
    with pytest.raises(InvalidOutput, match=f"returned {rows} predictions for 2 input rows"):
        predicted(load(returned))
    assert len(predicted(load(returned, DRUM_CHECK_ROW_COUNT="false"))) == rows


def test_row_count_is_that_after_transform(load: Load) -> None:
    assert predicted(load(SCORE + "def transform(data, model): return data.head(1)")) == [3]


@pytest.mark.parametrize(
    "read", ["np.array(5)", "np.zeros((24, 24, 3))", "None", "{'a': 1, 'b': 2, 'c': 3}"]
)
def test_row_count_of_what_is_no_table_is_not_checked(read: str, load: Load) -> None:
    code = RETURNS.format("pd.DataFrame({'Predictions': [1.0]})")
    assert predicted(load(f"{code}def read_input_data(data): return {read}")) == [1.0]


@pytest.mark.parametrize("read", ["pd.DataFrame({'a': [1, 2]})", "sparse.eye(2)"])
def test_rows_that_a_hook_read_are_counted(read: str, load: Load) -> None:
    code = RETURNS.format("pd.DataFrame({'Predictions': [1.0]})") + "from scipy import sparse\n"
    with pytest.raises(InvalidOutput, match="returned 1 predictions for 2 input rows"):
        predicted(load(f"{code}def read_input_data(data): return {read}"))


def test_post_process_gets_checked_predictions_and_is_checked(load: Load) -> None:
    code = RETURNS.format("pd.DataFrame({'anything': ['1', '2']})")
    model = load(code + "def post_process(p, model): return p.assign(more=1)")
    with pytest.raises(InvalidOutput, match="Your predictions have 2 columns"):
        predicted(model)
    assert predicted(load(code + "def post_process(p, model): return p * 2")) == [2.0, 4.0]


def test_score_with_keywords_gets_all_of_them(load: Load) -> None:
    names = ["x", "y"]
    predicted(load(SEEN.format("**kwargs")), Payload(b"a,b\n1,2\n", column_names=names))
    keywords = seen()["kwargs"]
    assert keywords.pop("target_type").value == "regression"
    assert keywords == {"binary_data": b"a,b\n1,2\n", "mimetype": None, "sparse_colnames": names}


def test_score_of_a_request_learns_its_charset(load: Load) -> None:
    payload = Payload(b"a\n1\n", media_type="text/csv", charset="utf-8", from_request=True)
    predicted(load(SEEN.format("**kwargs")), payload)
    assert seen()["kwargs"]["charset"] == "utf-8"
    assert seen()["kwargs"]["mimetype"] == "text/csv"


@pytest.mark.parametrize(
    ("media_type", "told"), [("text/csv", None), (None, None), ("text/mtx", "text/mtx")]
)
def test_score_of_a_file_learns_only_types_that_are_not_csv(
    media_type: str | None, told: str | None, load: Load
) -> None:
    matrix = b"%%MatrixMarket matrix coordinate real general\n1 1 1\n1 1 5.0\n"
    data = matrix if told else b"a\n1\n"
    predicted(load(SEEN.format("mimetype")), Payload(data, media_type=media_type))
    assert seen()["mimetype"] == told


def test_score_without_keywords_gets_only_what_it_names(load: Load) -> None:
    predicted(load(SEEN.format("target_type")))
    assert set(seen()) == {"data", "model", "target_type"}


def test_score_that_does_not_want_the_bytes_leaves_them_in_their_file(load: Load) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"a\n1\n")
        payload = Payload(file)
        predicted(load(SEEN.format("mimetype")), payload)
        assert payload._bytes is None
        predicted(load(SEEN.format("binary_data")), payload)
        assert seen()["binary_data"] == b"a\n1\n"


def test_rows_without_a_payload_have_no_origin(load: Load) -> None:
    model = load(SEEN.format("**kwargs"))
    model.predict_table(pd.DataFrame({"a": [1]}), None)
    assert seen()["kwargs"]["binary_data"] is None
    assert "charset" not in seen()["kwargs"]


def test_read_refuses_other_formats_without_a_hook(load: Load) -> None:
    with pytest.raises(UnsupportedFormat, match="`image/png`"):
        load(SCORE).read(Payload(b"x", media_type="image/png"))
    model = load(SCORE + "def read_input_data(data): return len(data)")
    assert model.reads_raw_input
    assert model.read(Payload(b"xyz", media_type="image/png")) == 3


def test_read_refuses_a_table_that_is_none(load: Load) -> None:
    with pytest.raises(InvalidInput):
        load(SCORE).read(Payload(b"\xff\xff"))


def artifact(folder: Path, model: object, code: str = "") -> None:
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    if code:
        (folder / "custom.py").write_text(code)


XY = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [0.0, 0.0, 1.0, 1.0]})


def test_artifact_predicts_numbers(tmp_path: Path, load_folder: Load) -> None:
    artifact(tmp_path, LinearRegression().fit(XY, XY["a"] + XY["b"]))
    assert predicted(load_folder()) == pytest.approx([3, 7])


def test_artifact_predicts_probabilities_by_its_own_labels(
    tmp_path: Path, load_folder: Load
) -> None:
    artifact(tmp_path, LogisticRegression().fit(XY, ["no", "no", "yes", "yes"]))
    frame = load_folder("binary").predict(TABLE).frame
    assert list(frame.columns) == ["no", "yes"]
    assert frame["yes"].is_monotonic_increasing


def test_artifact_with_a_hook_over_the_table_is_not_row_wise(
    tmp_path: Path, load_folder: Load
) -> None:
    artifact(tmp_path, LinearRegression(), "def transform(data, model): return data")
    assert not load_folder().is_row_wise


def test_artifact_that_fails_shows_its_exception(tmp_path: Path, load_folder: Load) -> None:
    artifact(tmp_path, LinearRegression())
    with pytest.raises(HookError, match="Failure when making predictions. Exception: NotFitted"):
        predicted(load_folder())


def test_artifact_on_a_text_target_is_refused(tmp_path: Path, load_folder: Load) -> None:
    artifact(tmp_path, LinearRegression())
    with pytest.raises(InvalidOutput, match="Target type 'textgeneration' is not supported"):
        predicted(load_folder("textgeneration"))


def test_model_that_only_chats_does_not_predict(load: Load) -> None:
    model = load("def chat(params, model): pass")
    assert (model.can_chat, model.answers_unstructured, model.is_row_wise) == (True, False, False)
    with pytest.raises(NotSupported, match="no score hook; use /chat/completions"):
        predicted(model)


def test_terminate_may_always_be_called(load: Load) -> None:
    load(SCORE).terminate()


TRANSFORM = "import numpy as np\nimport pandas as pd\nfrom scipy.sparse import csr_matrix\n"


@pytest.mark.parametrize("signature", ["data, model", "data, model, y", "data, model, y=None"])
def test_transform_task_runs_its_hook(signature: str, load: Load) -> None:
    model = load(f"{TRANSFORM}def transform({signature}): return data * 2", "transform")
    assert model.transform(TABLE).to_dict("list") == {"a": [2, 6], "b": [4, 8]}


def test_transform_hook_gets_the_target_if_it_takes_it(load: Load) -> None:
    y = pd.DataFrame({"t": [5, 6]})
    model = load("def transform(data, model, y): return data.assign(t=y['t'])", "transform")
    assert model.transform(TABLE, y)["t"].tolist() == [5, 6]


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        ("(data, y)", HookError, "DrumTransformException.'Transformation of the target variable"),
        ("data.to_numpy()", InvalidOutput, "transform must return a dataframe, but received"),
        ("data.head(1)", InvalidOutput, "resulted in different number of rows than original data"),
        (
            "data['none']",
            HookError,
            "Model 'transform hook' failed to transform dataset. Exc",
        ),
    ],
)
def test_transform_hook_must_return_as_many_rows(
    returned: str, error: type[Exception], message: str, load: Load
) -> None:
    model = load(f"def transform(data, model, y=None): return {returned}", "transform")
    with pytest.raises(error, match=message):
        model.transform(TABLE)


def test_transform_task_may_read_what_has_no_length(load: Load) -> None:
    model = load(
        TRANSFORM
        + """
def read_input_data(data): return csr_matrix(np.eye(int(data)))
def transform(data, model): return pd.DataFrame(data.toarray()).head(2)
""",
        "transform",
    )
    assert model.transform(Payload(b"2")).shape == (2, 2)
    with pytest.raises(InvalidOutput, match="different number of rows"):
        model.transform(Payload(b"3"))


def test_transform_artifact_loses_its_column_names(tmp_path: Path, load_folder: Load) -> None:
    artifact(tmp_path, StandardScaler().fit(XY).set_output(transform="pandas"))
    frame = load_folder("transform").transform(Payload(b"a,b\n1.5,0.5\n"))
    assert frame.to_dict("list") == {0: [0.0], 1: [0.0]}


def test_transform_artifact_may_give_an_array_or_a_sparse_matrix(
    tmp_path: Path, load_folder: Load
) -> None:
    artifact(tmp_path, OneHotEncoder().fit(XY[["a"]]))
    frame = load_folder("transform").transform(Payload(b"a\n1.0\n"))
    assert csr_matrix(frame.to_numpy()).toarray().tolist() == [[0.0, 1.0, 0.0, 0.0]]
    assert all(isinstance(dtype, pd.SparseDtype) for dtype in frame.dtypes)
    artifact(tmp_path, StandardScaler().fit(XY))
    assert np.allclose(load_folder("transform").transform(TABLE), [[-0.447, 3], [1.342, 7]], 1e-3)


def test_transform_artifact_that_fails_shows_why(tmp_path: Path, load_folder: Load) -> None:
    artifact(tmp_path, StandardScaler())
    with pytest.raises(HookError, match="Couldn't naively apply transformer: This StandardScaler"):
        load_folder("transform").transform(TABLE)


def test_transform_needs_a_hook_or_an_artifact(load: Load) -> None:
    with pytest.raises(NotSupported, match="A transform task requires a user-defined transform"):
        load(SCORE).transform(TABLE)


def test_transform_output_is_checked_against_the_metadata(tmp_path: Path, load: Load) -> None:
    (tmp_path / "model-metadata.yaml").write_text(
        "name: m\ntype: training\ntargetType: transform\ntypeSchema:\n  output_requirements:\n"
        "    - field: number_of_columns\n      condition: EQUALS\n      value: 1\n"
    )
    with pytest.raises(SchemaViolation, match="Incorrect number of columns"):
        load("def transform(data, model): return data", "transform").transform(TABLE)


ECHO = """
def score_unstructured(model, data, query, **kwargs):
    if data == "fail": raise ValueError("no such thing")
    if data == "empty": raise KeyError()
    if data == "teapot":
        from datarobot_drum import CustomHTTPError
        raise CustomHTTPError("teapot", 418)
    return repr((data, query, kwargs))
"""


def asked(model: PythonModel, data: bytes | str, mimetype: str | None, headers: Any = None) -> Any:
    reply = model.predict_unstructured(data, mimetype, None, {"k": "v"}, headers)
    return reply.encoded().decode()


def test_unstructured_hook_answers(load: Load) -> None:
    model = load(ECHO, "unstructured")
    assert model.answers_unstructured
    text = {"mimetype": "text/plain", "charset": "utf-8"}
    assert asked(model, b"hi", None) == repr(("hi", {"k": "v"}, text))
    assert asked(model, "hi", None, {"A": "b"}) == repr(
        ("hi", {"k": "v"}, {**text, "headers": {"A": "b"}})
    )
    assert asked(model, b"hi", "a/b") == repr((b"hi", {"k": "v"}, {"mimetype": "a/b"}))


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ("fail", HookError, "^no such thing$"),
        ("empty", HookError, r"^KeyError\(\)$"),
        ("teapot", CustomHTTPError, "teapot"),
    ],
)
def test_unstructured_hook_that_fails_shows_its_words(
    data: str, error: type[Exception], message: str, load: Load
) -> None:
    with pytest.raises(error, match=message):
        asked(load(ECHO, "unstructured"), data, None)


def test_unstructured_route_needs_the_hook(load: Load) -> None:
    model = load(SCORE, "textgeneration")
    assert not model.answers_unstructured
    with pytest.raises(NotSupported, match="hook 'score_unstructured' must be provided"):
        asked(model, "hi", None)
    assert load(ECHO, "textgeneration").answers_unstructured


CHAT = """
from datarobot_drum import CustomHTTPError
def chat(params, model{}):
    if "raise" in params: raise eval(params["raise"])
    return params, {}
"""


def test_chat_hook_gets_the_headers_if_it_takes_them(load: Load) -> None:
    assert load(CHAT.format("", "None")).chat({"a": 1}, {"H": "x"}) == ({"a": 1}, None)
    model = load(CHAT.format(", headers", "headers"))
    assert model.chat({"a": 1}, {"H": "x"}) == ({"a": 1}, {"H": "x"})
    model = load(CHAT.format(", **kwargs", "kwargs"))
    assert model.chat({}, {"H": "x"}) == ({}, {"headers": {"H": "x"}})


@pytest.mark.parametrize(
    ("raised", "error", "message"),
    [
        ("ValueError('boom')", HookError, "^boom$"),
        ("ValueError()", HookError, r"^ValueError\(\)$"),
        ("CustomHTTPError('slow', 429)", CustomHTTPError, "slow"),
    ],
)
def test_chat_hook_that_fails_shows_its_words(
    raised: str, error: type[Exception], message: str, load: Load
) -> None:
    with pytest.raises(error, match=message):
        load(CHAT.format("", "None")).chat({"raise": raised}, {})


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("textgeneration", "chat() is not implemented."),
        ("agenticworkflow", "chat() is not implemented."),
        ("regression", "chat is not supported."),
    ],
)
def test_chat_without_the_hook_is_not_supported(target: str, reason: str, load: Load) -> None:
    with pytest.raises(NotSupported) as raised:
        load(SCORE, target).chat({}, {})
    assert str(raised.value) == f"This model's chat interface was called, but {reason}"


MODELS = """
class Card:
    def __init__(self, kind): self.object = kind
    def to_dict(self): return dict(vars(self))
def get_supported_llm_models(model):
    return {}
"""


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ("[Card('model'), Card('other'), 5]", [{"object": "model"}]),
        ("[{'object': 'model', 'id': 'm'}, {}]", [{"object": "model", "id": "m"}]),
        ("None", []),
        ("iter([])", []),
    ],
)
def test_models_are_those_of_the_hook(
    returned: str, expected: list[dict[str, Any]], load: Load
) -> None:
    assert load(SCORE + MODELS.format(returned), "textgeneration").llm_models() == expected


@pytest.mark.parametrize("returned", ["5", "1 / 0", "[type('X', (), {'object': 'model'})()]"])
def test_models_hook_that_fails_is_named(returned: str, load: Load) -> None:
    model = load(SCORE + MODELS.format(returned), "textgeneration")
    with pytest.raises(HookError, match="Model 'get_supported_llm_models' hook failed. Exception"):
        model.llm_models()


def test_models_without_a_hook_are_the_one_of_the_setting(load: Load) -> None:
    assert load(SCORE, "textgeneration").llm_models() == []
    assert load(SCORE, "textgeneration", LLM_ID="m1").llm_models() == [
        {"id": "m1", "object": "model", "created": 1735689600, "owned_by": "DataRobot"}
    ]


def test_models_are_for_text_generation_only(load: Load) -> None:
    with pytest.raises(NotSupported, match="supported only for TextGen models"):
        load(SCORE).llm_models()


@pytest.mark.parametrize(
    ("target", "labels"),
    [
        ("regression", {}),
        ("binary", {"positiveClassLabel": "yes", "negativeClassLabel": "no"}),
        ("multiclass", {"classLabels": ["a", "b", "c"]}),
    ],
)
def test_info_tells_the_labels(target: str, labels: dict[str, Any], load: Load) -> None:
    facts = load(SCORE, target).info()
    assert facts["predictor"] is None
    assert {name: facts[name] for name in facts if "abel" in name} == labels
