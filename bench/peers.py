"""How the peers are started, what they are asked and how they answer.

All serve the same pickled estimators as our servers, with one process for predictions. Where a peer
has no form of its own for CSV it gets the same table as JSON, in the form that its documents name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from paths import BENCH, REFERENCE, RESULTS, estimator_file, model_folder
from peer_environments import VENVS, PeerError, python_of

SERVE = BENCH / "serve"
WORK = RESULTS / "peers"
SAVE_SECONDS = 300
#: nobody calls home
SILENT = {
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


@dataclass(frozen=True)
class Launch:
    """A command with its environment, where it predicts, and the form of its requests."""

    command: list[str]
    path: str
    form: str
    environment: Mapping[str, str]


def _program(peer: str, name: str) -> str:
    return str(VENVS / peer / "bin" / name)


def _environment(peer: str, model: str) -> dict[str, str]:
    path = f"{VENVS / peer / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**SILENT, "PATH": path, "MODEL_FILE": str(estimator_file(model))}


def reference(model: str, port: int, _free: Callable[[], int]) -> Launch:
    """`datarobot-drum` with its production server."""
    command = [_program(REFERENCE, "drum"), "server", "--code-dir", str(model_folder(model))]
    command += ["--address", f"127.0.0.1:{port}", "--target-type", "regression"]
    server = json.dumps({"type": "string", "payload": "gunicorn"})
    environment = {**_environment(REFERENCE, model), "MLOPS_RUNTIME_PARAM_DRUM_SERVER_TYPE": server}
    return Launch(command, "/predict/", "csv", environment)


def mlserver(model: str, port: int, free: Callable[[], int]) -> Launch:
    """MLServer with its scikit-learn runtime and one worker of its pool."""
    folder = WORK / f"mlserver-{model}-{port}"
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"host": "127.0.0.1", "http_port": port, "debug": False}
    settings |= {"grpc_port": free(), "metrics_port": free()}
    runtime = {"name": "m", "implementation": "mlserver_sklearn.SKLearnModel"}
    parameters = {"parameters": {"uri": str(estimator_file(model))}}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "model-settings.json").write_text(json.dumps(runtime | parameters))
    command = [_program("mlserver", "mlserver"), "start", str(folder)]
    return Launch(command, "/v2/models/m/infer", "v2", _environment("mlserver", model))


def bentoml(model: str, port: int, _free: Callable[[], int]) -> Launch:
    """BentoML with one worker."""
    command = [_program("bentoml", "bentoml"), "serve", "bento_service:Predictor"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--working-dir", str(SERVE)]
    home = {"BENTOML_HOME": str(WORK / "bentoml")}
    return Launch(command, "/predict", "bento", {**_environment("bentoml", model), **home})


def litserve(model: str, port: int, _free: Callable[[], int]) -> Launch:
    """LitServe with one worker beside its HTTP process."""
    command = [str(python_of("litserve")), str(SERVE / "litserve_app.py"), str(port)]
    return Launch(command, "/predict", "split", _environment("litserve", model))


def _save_for_mlflow(folder: Path, environment: Mapping[str, str]) -> None:
    """Save a model in MLflow's format; PeerError when that fails."""
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    save = [str(python_of("mlflow")), str(SERVE / "mlflow_save.py"), str(partial)]
    variables = {**os.environ, **environment}
    try:
        subprocess.run(
            save, env=variables, cwd=WORK, capture_output=True, timeout=SAVE_SECONDS, check=True
        )
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip()[-300:]
        raise PeerError(f"its model could not be saved: {reason}") from error
    except subprocess.TimeoutExpired as error:
        raise PeerError(f"its model was not saved within {SAVE_SECONDS} s") from error
    partial.rename(folder)


def mlflow(model: str, port: int, _free: Callable[[], int]) -> Launch:
    """MLflow with one worker; the model is first saved in its format."""
    folder = WORK / f"mlflow-{model}"
    environment = _environment("mlflow", model)
    if not folder.exists():
        _save_for_mlflow(folder, environment)
    command = [_program("mlflow", "mlflow"), "models", "serve", "-m", str(folder)]
    command += ["--env-manager", "local", "-h", "127.0.0.1", "-p", str(port), "-w", "1"]
    return Launch(command, "/invocations", "split", environment)


def launch_of_peer(name: str, model: str, port: int, free: Callable[[], int]) -> Launch:
    """How a peer serves a benchmark model; it is started in the folder `WORK`."""
    WORK.mkdir(parents=True, exist_ok=True)
    return STARTS[name](model, port, free)


STARTS: dict[str, Callable[[str, int, Callable[[], int]], Launch]] = {
    REFERENCE: reference,
    "mlserver": mlserver,
    "bentoml": bentoml,
    "litserve": litserve,
    "mlflow": mlflow,
}


def body_of(form: str, csv: Path) -> object:
    """The table of a CSV in one of the JSON forms."""
    import pandas as pd

    frame = pd.read_csv(csv)
    if form == "split":
        return {"dataframe_split": json.loads(frame.to_json(orient="split", index=False))}
    if form == "bento":
        return {"df": json.loads(frame.to_json(orient="records"))}
    return {"parameters": {"content_type": "pd"}, "inputs": [_column(frame[c]) for c in frame]}


def _column(column: object) -> dict[str, object]:
    """A column in the Open Inference Protocol, version 2."""
    import pandas as pd

    assert isinstance(column, pd.Series)
    head: dict[str, object] = {"name": column.name, "shape": [len(column), 1]}
    if column.dtype.kind == "f":
        values = [None if value != value else value for value in column.tolist()]
        return {**head, "datatype": "FP64", "data": values}
    text = {"datatype": "BYTES", "parameters": {"content_type": "str"}}
    return {**head, **text, "data": column.tolist()}


def predictions_in(form: str, answer: bytes) -> list[float]:
    """The numbers of an answer; ValueError when it has none."""
    said = json.loads(answer)
    try:
        if form == "v2":
            said = said["outputs"][0]["data"]
        elif form != "bento":
            said = said["predictions"]
        return [float(value) for value in said]
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"no predictions in {answer[:200]!r}") from error
