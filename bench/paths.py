"""Where the benchmark finds its models, its request bodies and its results."""

from __future__ import annotations

from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
ASSETS = BENCH / ".assets"
RESULTS = BENCH / ".results"
DOCUMENT = ROOT / "docs" / "PERFORMANCE_BENCHMARKING.md"

MODELS = ("const", "pipeline")
ROWS = (1, 100, 10_000)
CLIENTS = (1, 10, 50, 100)
SERVER_TYPES = ("flask", "gunicorn", "fastapi")
CEILING = "ceiling"
#: the package `datarobot-drum`, a black box
REFERENCE = "reference"
PEERS = (REFERENCE, "mlserver", "bentoml", "litserve", "mlflow")
SERVERS = (CEILING, *SERVER_TYPES, *PEERS)
#: how peers that take no CSV want a table
FORMS = ("split", "bento", "v2")


def model_folder(model: str) -> Path:
    """The code directory of a benchmark model."""
    return ASSETS / "models" / model


def estimator_file(model: str) -> Path:
    """The pickled estimator that answers as the benchmark model does; for peers without hooks."""
    return ASSETS / "estimators" / f"{model}.pkl"


def body_file(rows: int, form: str = "csv") -> Path:
    """The request body with that many rows, as CSV or in a form of `FORMS`."""
    return ASSETS / (f"rows_{rows}.csv" if form == "csv" else f"rows_{rows}.{form}.json")


def large_file(megabytes: int) -> Path:
    """The generated CSV of that size."""
    return ASSETS / f"large_{megabytes}mb.csv"


def relative(path: Path) -> str:
    """A path as it is written in reports: below the repository, never of this machine."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
