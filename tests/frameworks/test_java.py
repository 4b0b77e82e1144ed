"""Java models beyond the table of cases: classes of one's own, scoring code, faults, PMML."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
from tests.frameworks.java_sources import DRIVERLESS, OWN, make_jar, make_scoring_code

from datarobot_drum.drum.errors import HookError, InvalidInput, StartupError
from datarobot_drum.drum.language_predictors.java_predictor.java_predictor import JavaPredictor
from datarobot_drum.drum.payloads import Payload
from datarobot_drum.drum.predictors import load_model
from datarobot_drum.drum.predictors.child import ChildDied
from datarobot_drum.drum.predictors.hooked import PythonModel
from datarobot_drum.drum.predictors.model import Model
from datarobot_drum.drum.settings import ModelSpec, Settings

pytestmark = pytest.mark.framework("java")

BINARY = {"positive_class_label": "yes", "negative_class_label": "no"}

Load = Callable[..., Model]


@pytest.fixture(scope="session")
def jars(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A jar with a class of one's own, and one with scoring code; compiled once."""
    folder = tmp_path_factory.mktemp("jars")
    found = {"own": folder / "own.jar", "code": folder / "code.jar"}
    make_jar(found["own"], [OWN])
    make_scoring_code(found["code"])
    return found


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """`load(artifact, target_type, labels, **environ)` is the model of a folder with that file."""
    with ExitStack() as ends:

        def make(
            artifact: Path,
            target_type: str = "regression",
            labels: dict[str, Any] | None = None,
            **environ: str,
        ) -> Model:
            shutil.copy(artifact, tmp_path)
            spec = ModelSpec(str(tmp_path), target_type, **(labels or {}))
            model = load_model(spec, Settings.load(environ))
            ends.callback(model.terminate)
            return model

        yield make


def wait_until(condition: Callable[[], bool], timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def csv(text: str) -> Payload:
    return Payload(text.encode(), media_type="text/csv", from_request=True)


def test_scoring_code_takes_columns_in_any_order_and_missing_values(load, jars):
    model = load(jars["code"], "binary", BINARY)
    text = 'text,width,height\n"a, ""b""\nc",1,1\r\n,,0\n\n☃,NA,0\n'
    assert model.predict(csv(text)).frame["yes"].tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("height\n1\n", r"missing: \[width\]; the input has \[height\]"),
        ("height,width\n1,x\n", "row 1 has no number in column 'width'"),
        ("height,width\n1,2,3\n", "expected 2 fields"),
    ],
)
def test_data_that_do_not_fit_are_the_clients_fault(text, said, load, jars):
    with pytest.raises(InvalidInput, match=said):
        load(jars["code"], "binary", BINARY).predict(csv(text))


def test_error_of_java_code_is_told_and_its_trace_logged(load, jars, caplog):
    with pytest.raises(HookError, match=r"NumberFormatException: For input string: \"x\""):
        load(jars["own"]).predict(csv("a\nx\n"))
    wait_until(lambda: "OwnPredictor.predict" in caplog.text)


def test_exit_of_java_code_fails_one_request(load, jars):
    model = load(jars["own"])
    with pytest.raises(ChildDied, match="exit code 6"):
        model.predict(csv("a\n666\n"))
    assert model.predict(csv("a\n2\n")).frame["Predictions"].tolist() == [6.1]


def test_data_beyond_the_memory_of_java_say_what_to_do(load, jars):
    model = load(jars["own"], DRUM_JAVA_XMX="64m")
    with pytest.raises(ChildDied, match="fewer rows.* DRUM_JAVA_XMX"):
        model.predict(csv("a\n" + "1234567\n" * (10 << 20)))
    assert model.predict(csv("a\n2\n")).frame["Predictions"].tolist() == [6.1]


@pytest.mark.parametrize(
    ("data", "body", "content_type"),
    [
        (b"null", None, "text/plain; charset=utf-8"),
        (b"bytes", b"\1\2\xff", "application/octet-stream"),
        (
            'é "'.encode(),
            'É " text/plain utf-8 {q=a"b\n☃} unstructured',
            "text/plain; charset=utf-8",
        ),
    ],
)
def test_unstructured_method_answers(data, body, content_type, load, jars):
    model = load(jars["own"], "unstructured")
    reply = model.predict_unstructured(data, None, None, {"q": 'a"b\n☃'}, None)
    assert (reply.body, reply.content_type) == (body, content_type)


def test_error_of_the_unstructured_method_is_told(load, jars):
    with pytest.raises(HookError, match='no "such" thing: ☃'):
        load(jars["own"], "unstructured").predict_unstructured(b"fail", None, None, {}, None)


def test_class_and_its_place_may_be_named(load, jars, tmp_path_factory):
    other = tmp_path_factory.mktemp("artifact") / "m.zip"
    other.write_bytes(b"")
    model = load(
        other,
        DRUM_JAVA_CUSTOM_PREDICTOR_CLASS="OwnPredictor",
        DRUM_JAVA_CUSTOM_CLASS_PATH=str(jars["own"].parent),
        DRUM_JAVA_XMX="64m",
    )
    assert model.predict(csv("a\n2\n")).frame["Predictions"].tolist() == [6.1]


@pytest.mark.parametrize(
    ("name", "content", "environ", "said"),
    [
        ("m.jar", "", {}, "zip|jar"),
        ("m.zip", "", {}, "zip|mojo|Mojo"),
        ("m.java", "class m {", {}, "cannot compile"),
        ("m.java", "public class m {}", {}, "GenModel|argument type"),
        ("m.mojo", "", {"DRUM_JAVA_CUSTOM_CLASS_PATH": "/none.jar"}, "MojoPipeline is not on"),
        ("m.jar", "", {"DRUM_JAVA_CUSTOM_PREDICTOR_CLASS": "no.Such"}, "no.Such is not on"),
        ("m.zip", "", {"DRUM_JAVA_XMX": "lots"}, "exit code 1"),
    ],
)
def test_artifact_that_cannot_be_loaded_says_why(
    name, content, environ, said, load, tmp_path_factory
):
    artifact = tmp_path_factory.mktemp("artifact") / name
    artifact.write_text(content)
    with pytest.raises(StartupError, match=said):
        load(artifact, **environ)


def test_jar_without_a_predictor_says_what_is_looked_for(load, tmp_path_factory):
    folder = tmp_path_factory.mktemp("other")
    (folder / "Other.java").write_text("public class Other {}")
    make_jar(folder / "other.jar", [folder / "Other.java"])
    with pytest.raises(StartupError, match=r"no class in .*other\.jar is a predictor"):
        load(folder / "other.jar")


def test_driverless_pipeline_is_scored_by_the_runtime_that_is_given(
    load, tmp_path, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("driverless")
    (folder / "pipeline.mojo").touch()
    make_jar(folder / "mojo2-runtime.jar", sorted(DRIVERLESS.rglob("*.java")))
    environ = {"DRUM_JAVA_CUSTOM_CLASS_PATH": str(folder / "mojo2-runtime.jar")}
    with pytest.raises(StartupError, match=r"No valid license.*license\.sig in the model folder"):
        load(folder / "pipeline.mojo", "binary", BINARY, **environ)
    (tmp_path / "license.sig").touch()
    model = load(folder / "pipeline.mojo", "binary", BINARY, **environ)
    frame = model.predict(csv("name,height,more\na,1,2\n,1,2\n")).frame
    assert frame.to_dict("list") == {"no": [0.5, 0.75], "yes": [0.5, 0.25]}
    with pytest.raises(InvalidInput, match=r"missing: \[name\]"):
        model.predict(csv("height\n1\n"))


def test_two_jars_in_one_python_folder(jars, tmp_path, run_drum):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        shutil.copy(jars["own"], tmp_path / name / "m.jar")
    (tmp_path / "custom.py").write_text(TWO_JARS)
    (tmp_path / "in.csv").write_text("a\n1\n2\n")
    done = run_drum(
        *("score", "--code-dir", str(tmp_path), "--input", str(tmp_path / "in.csv")),
        *("--target-type", "regression"),
    )
    assert done.stdout.split() == ["Predictions", "6.2", "12.2"], done.stderr


TWO_JARS = """
import os
from datarobot_drum.drum.language_predictors.java_predictor.java_predictor import JavaPredictor

class Part(JavaPredictor):
    pass

def load_model(code_dir):
    parts = []
    for name in ("a", "b"):
        part = Part()
        part.configure({"__custom_model_path__": os.path.join(code_dir, name),
                        "target_type": "regression", "negativeClassLabel": None,
                        "positiveClassLabel": None, "classLabels": None})
        parts.append(part)
    return parts

def score(data, model, **kwargs):
    first, second = (part.predict(binary_data=data.to_csv(index=False).encode()) for part in model)
    return first + second
"""


def test_java_predictor_takes_a_jar_itself(jars):
    predictor = JavaPredictor()
    predictor.configure({"__custom_model_path__": str(jars["own"]), "target_type": "regression"})
    assert predictor.predict(binary_data=b"a\n1\n")["Predictions"].tolist() == [3.1]
    predictor.terminate()


def test_crash_of_java_costs_one_answer_on_every_server_type(
    server_type, jars, tmp_path, running_server
):
    shutil.copy(jars["own"], tmp_path)
    arguments = ("--target-type", "regression")
    with running_server(tmp_path, *arguments, server_type=server_type) as server:
        assert server.post("/predict/", content=b"a\n666\n").status_code == 500
        assert server.post("/predict/", content=b"a\n2\n").json() == {"predictions": [6.1]}
        assert server.get("/capabilities/").json()["supported_payload_formats"] == {"csv": None}
        children = processes(server.process.pid, "JavaWorker.java")
        assert len(children) == 1
    assert psutil.wait_procs(children, 10)[1] == []


def test_busy_java_ends_when_the_worker_is_killed(jars, tmp_path, running_server):
    shutil.copy(jars["own"], tmp_path)
    env = {"DRUM_CLIENT_REQUEST_TIMEOUT": "1"}
    with running_server(tmp_path, "--target-type", "regression", env=env) as server:
        assert server.post("/predict/", content=b"a\nhang\n").status_code == 504
        children = processes(server.process.pid, "JavaWorker.java")
        os.kill(server.process.pid, signal.SIGKILL)
        assert psutil.wait_procs(children, 10)[1] == []


def processes(pid: int, word: str) -> list[psutil.Process]:
    found = psutil.Process(pid).children(recursive=True)
    return [process for process in found if word in " ".join(process.cmdline())]


@pytest.fixture(scope="session")
def pmml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the PMML case with labels."""
    place = tmp_path_factory.mktemp("pmml")
    command = [sys.executable, "-m", "tests.frameworks.train_java", "pmml_multiclass", str(place)]
    subprocess.run(command, check=True, cwd=Path(__file__).resolve().parents[2], timeout=300)
    return place / "model"


LABELS: dict[str, Any] = {"class_labels": ("a", "b", "c d")}


def test_pmml_tells_what_does_not_fit(pmml):
    model = load_model(ModelSpec(str(pmml), "multiclass", **LABELS), Settings())
    with pytest.raises(InvalidInput, match="columns that the model needs are missing"):
        model.predict(csv("height\n1\n"))
    model.terminate()
    with pytest.raises(StartupError, match="PMML document"):
        (pmml.parent / "bad").mkdir()
        (pmml.parent / "bad" / "m.pmml").write_text("<no/>")
        load_model(ModelSpec(str(pmml.parent / "bad"), "regression"), Settings())


def test_classification_in_pmml_is_no_regression(pmml):
    model = load_model(ModelSpec(str(pmml), "regression"), Settings())
    with pytest.raises(Exception, match="is a classification"):
        model.predict(csv("height,width,depth\n1,2,3\n"))
    model.terminate()


def test_terminate_ends_the_java_process_of_pmml_and_a_new_one_may_follow(pmml):
    for _ in range(2):
        model = load_model(ModelSpec(str(pmml), "multiclass", **LABELS), Settings())
        frame = model.predict(csv("height,width,depth\n1,2,3\n")).frame
        assert isinstance(frame, pd.DataFrame)
        (gateway,) = processes(os.getpid(), "py4j")
        model.terminate()
        assert psutil.wait_procs([gateway], 10)[1] == []


def test_end_of_the_java_process_of_pmml_does_not_end_the_model(pmml):
    model = load_model(ModelSpec(str(pmml), "multiclass", **LABELS), Settings())
    before = model.predict(csv("height,width,depth\n1,2,3\n")).frame
    for _ in range(2):
        (gateway,) = processes(os.getpid(), "py4j")
        gateway.kill()
        assert isinstance(model, PythonModel)
        assert model.predictor is not None
        model.predictor.model.java_process.wait(10)
        assert model.predict(csv("height,width,depth\n1,2,3\n")).frame.equals(before)
    model.terminate()


def test_port_of_the_java_process_of_pmml_asks_for_its_secret(pmml):
    model = load_model(ModelSpec(str(pmml), "multiclass", **LABELS), Settings())
    (gateway,) = processes(os.getpid(), "py4j")
    assert "--enable-auth" in gateway.cmdline()
    model.terminate()
