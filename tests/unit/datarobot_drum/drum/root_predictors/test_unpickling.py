"""Bytes of a request are never unpickled: bombs of every kind stay what they are, bytes."""

from __future__ import annotations

import ast
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.replies import Reply

PACKAGE = Path(__file__).resolve().parents[5] / "custom_model_runner" / "datarobot_drum"
MODELS = {
    "regression": """
import pandas as pd
def score(data, model):
    return pd.DataFrame({"Predictions": [1.0] * len(data)})
def chat(params, model):
    return {"object": "chat.completion", "choices": [{"message": {"content": "hello"}}]}
""",
    "transform": "def transform(data, model): return data",
    "unstructured": "def score_unstructured(model, data, **kwargs): return 'answer'",
}
ROUTES = {
    "predict": "regression",
    "chat": "regression",
    "transform": "transform",
    "predict_unstructured": "unstructured",
}
CONTENT_TYPES = (
    *("", "text/csv", "text/plain", "text/mtx", "application/octet-stream"),
    *("application/json", "application/json; orient=records", "application/json; orient=split"),
    *("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file"),
    *("application/vnd.apache.parquet", "application/x-parquet"),
    *("application/x-npy", "application/x-npz", "application/x-pickle", "application/x-joblib"),
    *("application/python-pickle", "application/x-www-form-urlencoded"),
)
FILE_NAMES = ("x.csv", "x.mtx", "x.npy", "x.npz", "x.pkl", "x.joblib", "x.parquet", "x.arrow")


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, crater: Path) -> None:
        self.crater = crater

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return Path.touch, (self.crater,)  # type: ignore[return-value]


def bombs(crater: Path) -> dict[str, bytes]:
    """The bomb in every wrapping that a reader of tables might unpack."""
    plain = pickle.dumps(Bomb(crater))
    array = np.array([Bomb(crater)], dtype=object)
    table = pa.table({"a": [1]}).replace_schema_metadata({b"pandas": plain, b"PANDAS": plain})
    column = pa.table({"a": pa.array([plain], pa.binary())})
    frame = pd.DataFrame({"a": [plain]})
    return {
        **{f"pickle {number}": pickle.dumps(Bomb(crater), number) for number in range(6)},
        "npy": _written(lambda file: np.save(file, array, allow_pickle=True)),
        "npz": _written(lambda file: np.savez(file, a=array)),
        "joblib": _written(lambda file: joblib.dump([Bomb(crater)], file)),
        "compressed joblib": _written(lambda file: joblib.dump([Bomb(crater)], file, compress=3)),
        "pandas": _written(lambda file: pd.DataFrame({"a": array}).to_pickle(file)),
        "zip with a pickle": _written(lambda file: _zip(file, plain)),
        "mtx": b"%%MatrixMarket matrix coordinate real general\n%" + plain + b"\n1 1 1\n1 1 1\n",
        "csv": b"a\n" + plain,
        "json": b'[{"py/reduce": [{"py/function": "pathlib.Path.touch"}, {"py/tuple": ["%s"]}]}]'
        % str(crater).encode(),
        "yaml": b"!!python/object/apply:pathlib.Path.touch [%s]" % str(crater).encode(),
        "arrow file": _written(lambda file: _ipc(pa.ipc.new_file, file, table)),
        "arrow stream": _written(lambda file: _ipc(pa.ipc.new_stream, file, table)),
        "arrow extension type": _written(lambda file: _ipc(pa.ipc.new_stream, file, _typed(plain))),
        "parquet with pickled metadata": _written(lambda file: pq.write_table(table, file)),
        "parquet with a pickled cell": _written(lambda file: pq.write_table(column, file)),
        "parquet of objects": _written(lambda file: frame.to_parquet(file)),
        "parquet with an extension type": _written(
            lambda file: pq.write_table(_typed(plain), file)
        ),
    }


def _typed(plain: bytes) -> pa.Table:
    """A column of the type by which old versions of pyarrow unpickled (CVE-2023-47248)."""
    marks = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": plain,
    }
    column = pa.field("a", pa.int64(), metadata=marks)
    return pa.table([pa.array([1])], schema=pa.schema([column]))


def _written(write: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _zip(file: io.BytesIO, content: bytes) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data.pkl", content)


def _ipc(opener: Callable[..., pa.RecordBatchWriter], file: io.BytesIO, table: pa.Table) -> None:
    with opener(file, table.schema) as writer:
        writer.write_table(table)


def form(content: bytes, filename: str) -> bytes:
    """A form with the bytes as table, as its column names and as target."""
    parts = [
        b'--b\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n'
        % (name, filename.encode(), content)
        for name in (b"X", b"X.colnames", b"y")
    ]
    return b"".join(parts) + b"--b--\r\n"


def test_bomb_goes_off_where_it_is_unpickled(tmp_path):
    crater = tmp_path / "crater"
    found = bombs(crater)
    assert not crater.exists()
    pickle.loads(found["pickle 4"])
    assert crater.exists()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", bombs(Path("/nowhere")))
def test_bomb_in_a_body_does_not_go_off(
    route: str,
    name: str,
    tmp_path: Path,
    serve: Callable[..., PredictionServer],
    ask: Callable[..., Reply],
) -> None:
    crater = tmp_path / "crater"
    content = bombs(crater)[name]
    server = serve(MODELS[ROUTES[route]], ROUTES[route])
    bodies = [(content, kind) for kind in CONTENT_TYPES]
    bodies += [(form(content, file), "multipart/form-data; boundary=b") for file in FILE_NAMES]
    statuses = {ask(server, route, body, kind).status for body, kind in bodies}
    assert statuses <= {200, 400, 404, 415, 422}
    assert not crater.exists()


#: Names of functions that run what they read, and the modules that may call them: on artifacts.
UNPICKLERS = {
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "cPickle.load", "dill.load", "dill.loads"),
    *("cloudpickle.load", "cloudpickle.loads", "joblib.load", "torch.load", "marshal.loads"),
    *("marshal.load", "shelve.open", "read_pickle", "yaml.load", "yaml.unsafe_load", "np.load"),
    *("numpy.load", "jsonpickle.decode"),
}
ON_ARTIFACTS = {
    ("custom_task_interfaces/interfaces.py", "pickle.load"),
    ("drum/predictors/sklearn.py", "joblib.load"),
    ("drum/predictors/sklearn.py", "pickle.load"),
    ("drum/predictors/torch.py", "torch.load"),
    # by a loader that is derived from the safe one
    ("drum/model_folder/yaml_text.py", "yaml.load"),
}


def calls() -> set[tuple[str, str]]:
    """Every use of such a function in the package, by module."""
    return {
        (path.relative_to(PACKAGE).as_posix(), name)
        for path in PACKAGE.rglob("*.py")
        for name in _called(ast.parse(path.read_text()))
    }


def _called(tree: ast.AST) -> set[str]:
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name))
    names = {ast.unparse(node) for node in nodes}
    dotted = {one for one in UNPICKLERS for name in names if f".{name}".endswith(f".{one}")}
    # `eval` of a torch module is a method
    return dotted | (names & {"eval", "exec"})


def test_functions_that_unpickle_are_called_on_artifacts_only():
    assert calls() == ON_ARTIFACTS


def test_allow_pickle_is_never_turned_on():
    assert [p for p in PACKAGE.rglob("*.py") if "allow_pickle" in p.read_text()] == []


def test_modules_that_read_requests_do_not_import_an_unpickler():
    readers = [
        PACKAGE / "drum" / name for name in ("payloads", "root_predictors", "flask", "fastapi")
    ]
    imported = {
        name
        for folder in readers
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in _imported(node)
    }
    assert (
        imported & {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve", "torch"}
        == set()
    )


def _imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").partition(".")[0]}
    return {alias.name.partition(".")[0] for alias in node.names}
