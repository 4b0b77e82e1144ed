"""Java models, with a stand-in for Java: what Java is told, and what is made of its answers."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import (
    HookError,
    InvalidInput,
    InvalidOutput,
    NotSupported,
    StartupError,
)
from datarobot_drum.drum.language_predictors.java_predictor.java_predictor import JavaPredictor
from datarobot_drum.drum.payloads import Payload, UnsupportedFormat
from datarobot_drum.drum.predictors import java_folder, load_model
from datarobot_drum.drum.predictors.child import ChildDied
from datarobot_drum.drum.predictors.java_process import JavaSettings, find_artifact
from datarobot_drum.drum.predictors.model import Model
from datarobot_drum.drum.settings import ModelSpec, Settings

LABELS = {"positive_class_label": "b", "negative_class_label": "a"}

Load = Callable[..., Model]


@pytest.fixture
def load(tmp_path: Path, on_path: Callable[..., Path]) -> Iterator[Load]:
    """`load(content, target_type, name=…, **environ)` is a model of a folder with that artifact."""
    on_path(java="standin_java.py", javac="standin_java.py")
    with ExitStack() as ends:

        def make(
            content: str = "", target_type: str = "regression", name: str = "m.jar", **environ: str
        ) -> Model:
            (tmp_path / name).write_text(content)
            labels: dict[str, Any] = LABELS if target_type == "binary" else {}
            spec = ModelSpec(str(tmp_path), target_type, **labels)
            model = load_model(spec, Settings.load(environ))
            ends.callback(model.terminate)
            return model

        yield make


def csv(text: str) -> Payload:
    return Payload(text.encode(), media_type="text/csv", from_request=True)


def setup_of(model: Model) -> dict[str, Any]:
    """What the stand-in was told when it was loaded."""
    extra = model.predict(csv("a\n#setup\n")).extra
    assert extra is not None
    told: dict[str, Any] = ast.literal_eval(extra["setup"][0])
    return told


def test_numbers_come_back_to_the_last_digit(load):
    frame = load().predict(csv("a\n0.1\n1e-300\n")).frame
    assert frame["Predictions"].tolist() == [0.1 * 3, 1e-300 * 3]


def test_only_csv_is_told_as_a_format(load):
    assert load().payload_formats == {"csv": None}


def test_json_becomes_csv(load):
    payload = Payload(
        b'[{"a": 2}]', media_type="application/json", parameters={"orient": "records"}
    )
    assert load().predict(payload).frame["Predictions"].tolist() == [6]


@pytest.mark.parametrize("media_type", ["text/mtx", "image/png"])
def test_other_formats_are_refused(media_type, load):
    with pytest.raises(UnsupportedFormat):
        load().predict(Payload(b"x", media_type=media_type))


@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        ("input", InvalidInput, "^it failed$"),
        ("output", InvalidOutput, "^it failed$"),
        ("predict", HookError, "Failure when making predictions. Exception: it failed"),
    ],
)
def test_error_of_java_is_told_by_its_kind(kind, error, said, load):
    with pytest.raises(error, match=said):
        load().predict(csv(f"a\n#fail-{kind}\n"))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("#empty", "did not answer with CSV"),
        ("#uneven", "did not answer with CSV"),
        ("#ragged", "1 names for 2 columns"),
        ("#text", "could not convert"),
        ("#none", "0 predictions for 1 input rows"),
    ],
)
def test_answer_that_is_no_table_of_predictions_is_refused(row, said, load):
    with pytest.raises(InvalidOutput, match=said):
        load().predict(csv(f"a\n{row}\n"))


def test_quoted_answers_and_missing_ones_are_read(load):
    model = load()
    predictions = model.predict(csv("a\n#quoted\n"))
    assert predictions.extra is not None
    assert predictions.extra.to_dict("records") == [{'why "so"': "a, b"}]
    assert pd.isna(model.predict(csv("a\n#missing\n")).frame["Predictions"][0])


@pytest.mark.parametrize("text", ["2024_01", "nan", "inf", "-infinity", "١", "1d", "0x1p3"])
def test_text_that_only_python_takes_for_a_number_stays_text(text, load):
    extra = load().predict(csv(f"a\n#more-{text}\n")).extra
    assert extra is not None
    assert extra["more"].tolist() == [text]


@pytest.mark.parametrize("text", ["-1.0E-5", "+2", ".5", "3.", " 4 ", "Infinity", "NaN"])
def test_number_is_read_in_each_of_its_forms(text, load):
    extra = load().predict(csv(f"a\n#more-{text}\n")).extra
    assert extra is not None
    assert extra["more"].tolist() == pytest.approx([float(text)], nan_ok=True)


def test_long_text_is_read(load):
    extra = load().predict(csv("a\n#long\n")).extra
    assert extra is not None
    assert extra["text"].str.len().tolist() == [1_000_000]


def test_java_is_told_target_and_labels(load, tmp_path):
    told = setup_of(load())
    assert told["kind"] == "jar"
    assert told["params"] == {
        "__custom_model_path__": str(tmp_path),
        "target_type": "regression",
        "positiveClassLabel": None,
        "negativeClassLabel": None,
        "classLabels": [],
    }


def test_variables_choose_memory_class_and_class_path(load, tmp_path):
    for name in ("classes", "shared"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "y.jar").touch()
    told = setup_of(
        load(
            DRUM_JAVA_XMX="300m",
            DRUM_JAVA_CUSTOM_PREDICTOR_CLASS="my.Own",
            DRUM_JAVA_CUSTOM_CLASS_PATH=f"{tmp_path}/classes:{tmp_path}/x.jar",
            DRUM_JAVA_SHARED_JARS=f"{tmp_path}/shared",
        )
    )
    assert "-Xmx300m" in told["command"]
    assert told["class"] == "my.Own"
    places = ("m.jar", "classes", "classes/y.jar", "x.jar", "shared", "shared/y.jar")
    assert told["class_path"] == [f"{tmp_path}/{place}" for place in places]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["b.zip", "a.jar"], "a.jar"),
        (["b.JAR", "c.zip"], "b.JAR"),
        (["a.jar", "z.mojo"], "z.mojo"),
    ],
)
def test_pipeline_decides_else_the_first_artifact(names, chosen, tmp_path):
    for name in (*names, "readme.txt"):
        (tmp_path / name).touch()
    found = find_artifact(tmp_path, JavaSettings())
    assert found == tmp_path / chosen


def test_folder_without_artifact_needs_a_class(tmp_path):
    assert find_artifact(tmp_path, JavaSettings(predictor_class="my.Own")) is None
    with pytest.raises(StartupError, match="could not find a Java artifact"):
        find_artifact(tmp_path, JavaSettings())


def test_class_alone_gets_the_folder_as_class_path(load, tmp_path, on_path):
    environ = {"DRUM_JAVA_CUSTOM_PREDICTOR_CLASS": "my.Own"}
    spec = ModelSpec(str(tmp_path), "unstructured", language="java")
    model = load_model(spec, Settings.load(environ))
    model.terminate()


@pytest.mark.parametrize("has_package", [True, False])
def test_h2o_jar_comes_from_its_package(has_package, load, tmp_path, monkeypatch):
    package = tmp_path / "packages" / "h2o"
    (package / "backend" / "bin").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('it must not be imported')")
    monkeypatch.syspath_prepend(str(package.parent))
    jar = package / "backend" / "bin" / "h2o.jar"
    if has_package:
        jar.touch()
        assert setup_of(load(name="m.zip"))["class_path"] == [str(jar)]
    else:
        with pytest.raises(StartupError, match=r"pip install 'opendrum\[h2o\]'"):
            load(name="m.zip")


@pytest.mark.skipif(importlib.util.find_spec("h2o") is not None, reason="h2o is installed here")
def test_h2o_jar_may_be_given_without_its_package(load):
    told = setup_of(load(name="m.java", DRUM_JAVA_CUSTOM_CLASS_PATH="/jars/h2o.jar"))
    assert told["class_path"] == ["/jars/h2o.jar"]


def test_driverless_model_needs_its_runtime_and_takes_its_licence(load, tmp_path):
    with pytest.raises(StartupError, match=r"mojo2-runtime\.jar"):
        load(name="m.mojo")
    (tmp_path / "license.sig").touch()
    told = setup_of(load(name="m.mojo", DRUM_JAVA_CUSTOM_CLASS_PATH="/jars/mojo2-runtime.jar"))
    assert f"-Dai.h2o.mojos.runtime.license.file={tmp_path}/license.sig" in told["command"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("broken", "cannot load the Java model: broken"),
        ("broken License", "DRIVERLESS_AI_LICENSE_KEY"),
        ("quit", "exit code 5\nlast words"),
    ],
)
def test_model_that_cannot_be_loaded_says_why(content, said, load):
    with pytest.raises(StartupError, match=said):
        load(content)


def test_end_for_want_of_memory_says_what_to_do(load, caplog):
    with pytest.raises(ChildDied, match=r"exit code 3; it has .*fewer rows.* DRUM_JAVA_XMX"):
        load().predict(csv("a\n#memory\n"))
    assert "DRUM_JAVA_XMX" in caplog.text


def test_missing_jdk_is_told_with_what_to_install(load, on_path):
    for programs in ({}, {"java": "standin_java.py"}):
        on_path(**programs)
        with pytest.raises(StartupError, match="openjdk-17-jdk-headless"):
            load()


def test_compiler_beside_java_is_enough(load, on_path):
    folder = on_path(java="standin_java.py")
    (folder / "jdk").mkdir()
    (folder / "java").rename(folder / "jdk" / "java")
    (folder / "java").symlink_to("jdk/java")
    (folder / "jdk" / "javac").touch()
    assert load().predict(csv("a\n2\n")).frame["Predictions"].tolist() == [6]


def test_transform_is_refused(load):
    with pytest.raises(StartupError, match="cannot transform"):
        load(target_type="transform")


@pytest.mark.parametrize(
    ("data", "body", "content_type"),
    [
        (b"null", None, "text/plain; charset=utf-8"),
        (b"bytes", b"\0\1", "application/octet-stream"),
        (
            "text",
            "[('charset', 'utf-8'), ('headers', None), ('mimetype', 'text/plain'), ('query', {})]",
            "text/plain; charset=utf-8",
        ),
    ],
)
def test_unstructured_data_go_to_the_method(data, body, content_type, load):
    model = load("unstructured", "unstructured")
    reply = model.predict_unstructured(data, None, None, {}, None)
    assert (reply.body, reply.content_type) == (body, content_type)


def test_unstructured_model_needs_its_method(load):
    with pytest.raises(StartupError, match="predictUnstructured"):
        load("", "unstructured")
    with pytest.raises(NotSupported):
        load("unstructured").predict_unstructured(b"", None, None, {}, None)


def test_data_beyond_the_longest_array_are_refused(load, monkeypatch):
    monkeypatch.setattr(java_folder, "LIMIT", 3)
    with pytest.raises(InvalidInput, match="too large for Java"):
        load().predict(csv("a\n12\n"))


class Tripled(JavaPredictor):
    """A subclass, as model code has it."""

    def predict(self, **keywords: Any) -> pd.DataFrame:
        return super().predict(**keywords) + 1


def test_two_java_predictors_live_beside_each_other(tmp_path, on_path):
    on_path(java="standin_java.py", javac="standin_java.py")
    predictors = [JavaPredictor(), Tripled()]
    for number, predictor in enumerate(predictors):
        (tmp_path / f"{number}.jar").touch()
        path = str(tmp_path / f"{number}.jar")
        params = {"__custom_model_path__": path, "target_type": TargetType.REGRESSION, "x": object}
        predictor.configure(params)
    answers = [predictor.predict(binary_data=b"a\n2\n", other=1) for predictor in predictors]
    assert [answer["Predictions"].tolist() for answer in answers] == [[6], [7]]
    with pytest.raises(HookError, match="it failed"):
        predictors[0].predict(binary_data=b"a\n#fail-predict\n")
    for predictor in predictors:
        predictor.terminate()


def test_java_predictor_must_be_configured_with_a_path():
    predictor = JavaPredictor()
    with pytest.raises(StartupError, match="call configure before predict"):
        predictor.predict(binary_data=b"")
    with pytest.raises(StartupError, match="__custom_model_path__"):
        predictor.configure({"target_type": "regression"})
    predictor.terminate()
