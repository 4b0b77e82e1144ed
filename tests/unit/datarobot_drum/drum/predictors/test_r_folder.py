"""R models, with a stand-in for R: what R is told, and what is made of its answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
import pytest

from datarobot_drum.drum.errors import (
    DrumError,
    HookError,
    InvalidInput,
    InvalidOutput,
    MalformedRequest,
    NotSupported,
    StartupError,
)
from datarobot_drum.drum.payloads import Payload, UnsupportedFormat
from datarobot_drum.drum.predictors import load_model, r_fit, r_process
from datarobot_drum.drum.predictors.child import ChildDied
from datarobot_drum.drum.predictors.model import Model
from datarobot_drum.drum.settings import ModelSpec, Settings

LABELS = {"binary": {"positive_class_label": "b", "negative_class_label": "a"}}

Load = Callable[..., Model]


@pytest.fixture
def load(tmp_path: Path, on_path: Callable[..., Path]) -> Iterator[Load]:
    """`load(hooks, target_type)` is a model whose stand-in says that it has these hooks."""
    on_path(Rscript="standin_rscript.py")
    with ExitStack() as ends:

        def make(hooks: str = "", target_type: str = "regression") -> Model:
            (tmp_path / "custom.R").write_text(hooks)
            spec = ModelSpec(str(tmp_path), target_type, **LABELS.get(target_type, {}))  # type: ignore[arg-type]
            model = load_model(spec, Settings())
            ends.callback(model.terminate)
            return model

        yield make


def csv(text: str) -> Payload:
    return Payload(text.encode(), media_type="text/csv", from_request=True)


def test_prediction_is_split_from_what_comes_besides(load):
    predictions = load().predict(csv("\ufeff\na\n2\n3\n"))
    assert predictions.frame["Predictions"].tolist() == [4, 6]
    assert predictions.extra is not None
    assert predictions.extra["more"].tolist() == ["x", "x"]


def test_array_without_labels_follows_the_documented_order(load):
    frame = load(target_type="binary").predict(csv("p\n0.25\n")).frame
    assert frame.to_dict("records") == [{"a": 0.75, "b": 0.25}]


def test_post_process_changes_checked_predictions(load):
    frame = load("post_process").predict(csv("a\n2\n")).frame
    assert frame["Predictions"].tolist() == [5]


@pytest.mark.parametrize("media_type", ["application/json", "text/mtx"])
def test_other_formats_are_read_here(media_type, load):
    bodies = {
        "application/json": b'[{"a": 2}]',
        "text/mtx": b"%%MatrixMarket matrix coordinate real general\n1 1 1\n1 1 2\n",
    }
    payload = Payload(
        bodies[media_type],
        media_type=media_type,
        parameters={"orient": "records"},
        from_request=True,
    )
    assert load().predict(payload).frame["Predictions"].tolist() == [4]


def test_table_that_was_read_already_is_predicted(load):
    frame = load().predict_table(pd.DataFrame({"a": [1.5]}), None).frame
    assert frame["Predictions"].tolist() == [3]


def test_raw_bytes_go_to_the_read_hook_whatever_their_format(load):
    model = load("read_input_data")
    assert model.reads_raw_input
    answer = model.predict(Payload(b"12345", media_type="image/png"))
    assert answer.frame["Predictions"].tolist() == [10]


def test_format_without_a_reader_is_refused(load):
    model = load()
    assert not model.reads_raw_input
    with pytest.raises(UnsupportedFormat):
        model.predict(Payload(b"x", media_type="image/png"))


def test_text_that_is_no_csv_never_reaches_r(load):
    with pytest.raises(InvalidInput, match="expected 1 fields"):
        load().predict(csv("a\n1,2\n"))


@pytest.mark.parametrize("media_type", ["text/csv", "application/json"])
def test_column_name_that_is_too_long_for_r_never_reaches_it(media_type, load):
    name = "é" * 5001
    body = f"{name}\n2\n" if media_type == "text/csv" else f'[{{"{name}": 2}}]'
    payload = Payload(body.encode(), media_type=media_type, parameters={"orient": "records"})
    with pytest.raises(InvalidInput, match="a column name has 10002 bytes, R allows 10000"):
        load().predict(payload)


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (-1, HookError, "Failure when making predictions. Exception: negative"),
        (0, InvalidOutput, "nothing"),
    ],
)
def test_error_of_r_is_told_by_its_kind(value, error, said, load):
    with pytest.raises(error, match=said):
        load().predict(csv(f"a\n{value}\n"))


@pytest.mark.parametrize("with_y", [True, False])
def test_transform_returns_a_frame(with_y, load):
    y = pd.DataFrame({"t": [7, 8]}) if with_y else None
    frame = load("transform", "transform").transform(csv("a\n1\n2\n"), y)
    assert frame.to_dict("list") == {"a": [1, 2], **({"y": [7, 8]} if with_y else {})}


def test_transform_must_keep_the_rows(load):
    with pytest.raises(InvalidOutput, match="different number of rows"):
        load("transform", "transform").transform(csv("a\n1\n0\n"))


def test_output_of_transform_is_checked_against_the_metadata(load, tmp_path):
    (tmp_path / "model-metadata.yaml").write_text(
        "name: t\ntype: inference\ntargetType: transform\n"
        "typeSchema:\n  output_requirements:\n"
        "    - {field: number_of_columns, condition: EQUALS, value: 2}\n"
    )
    with pytest.raises(DrumError, match="columns"):
        load("transform", "transform").transform(csv("a\n1\n"))


@pytest.mark.parametrize(
    ("data", "mimetype", "body", "content_type"),
    [
        (b"null", None, None, "text/plain; charset=utf-8"),
        (b"abc", "x/y", b"cba", "image/png"),
        (
            "é",
            None,
            "é [('charset', 'utf-8'), ('headers', {}), ('mimetype', 'text/plain'), ('query', {})]",
            "text/plain; charset=utf-8",
        ),
    ],
)
def test_unstructured_data_go_to_the_hook(data, mimetype, body, content_type, load):
    model = load("load_model score_unstructured", "unstructured")
    reply = model.predict_unstructured(data, mimetype, None, {}, {})
    assert (reply.body, reply.content_type) == (body, content_type)


def test_text_with_nul_is_refused(load):
    model = load("score_unstructured", "unstructured")
    with pytest.raises(MalformedRequest, match="NUL"):
        model.predict_unstructured(b"a\0b", None, None, {}, None)


def test_model_without_the_unstructured_hook_does_not_answer(load):
    with pytest.raises(NotSupported):
        load().predict_unstructured(b"", None, None, {}, None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("broken load", "R failed|it is broken"),
        ("broken source", "Failed loading hooks from custom.R : it is broken"),
        ("broken load_model", "'load_model' hook failed to load the model. Exception: it is"),
        ("quit", "exit code 5\nlast words"),
    ],
)
def test_folder_that_cannot_be_loaded_says_why_and_names_the_bridge(words, said, load):
    with pytest.raises(StartupError, match=said) as caught:
        load(words)
    assert "rpy2" in str(caught.value)


def test_missing_r_is_told_with_what_to_install(tmp_path, on_path):
    on_path()
    (tmp_path / "m.rds").touch()
    with pytest.raises(StartupError, match="apt-get install r-base-core.*rpy2"):
        load_model(ModelSpec(str(tmp_path), "regression"), Settings())


def test_target_type_that_r_does_not_know_is_refused(load):
    with pytest.raises(StartupError, match="'geopoint' is not supported by R models; use one of"):
        load("", "geopoint")


@pytest.mark.parametrize(
    ("locale", "changed"),
    [({"LANG": "C"}, "C.UTF-8"), ({}, "C.UTF-8"), ({"LANG": "de.utf8"}, None)],
)
def test_r_runs_in_a_locale_that_holds_any_text(locale, changed, monkeypatch, on_path):
    for name in r_process._LOCALES:
        monkeypatch.delenv(name, raising=False)
    for name, value in locale.items():
        monkeypatch.setenv(name, value)
    assert r_process._environment().get("LC_ALL") == changed
    assert "LC_ALL" not in os.environ


@pytest.mark.parametrize(("transforms", "end"), [(True, " transforms"), (False, "")])
def test_fit_hands_over_the_tables_and_the_folder_with_a_slash(transforms, end, tmp_path, on_path):
    on_path(Rscript="standin_rscript.py")
    r_fit.fit(
        code_dir=str(tmp_path),
        X=pd.DataFrame({"a": [1, 2]}),
        y=pd.Series([0, 1]),
        output_dir=str(tmp_path),
        class_order=["b", "a"],
        parameters={"depth": 3},
        transforms=transforms,
    )
    written = (tmp_path / "model.rds").read_text()
    assert written == "{'X': (2, 1), 'y': (2, 1)} ['b', 'a'] {'depth': 3}" + end


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ("broken load", StartupError, "it is broken"),
        ("broken fit", HookError, "'fit' hook failed. Exception: it is broken"),
        ("quit", ChildDied, "exit code 5"),
    ],
)
def test_fit_that_fails_says_why(words, error, said, tmp_path, on_path):
    on_path(Rscript="standin_rscript.py")
    (tmp_path / "custom.r").write_text(words)
    with pytest.raises(error, match=said):
        r_fit.fit(code_dir=str(tmp_path), X=pd.DataFrame(), y=None, output_dir="x")
