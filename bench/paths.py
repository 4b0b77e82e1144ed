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
CLIENTS = (1, 10, 50)
SERVER_TYPES = ("flask", "gunicorn", "fastapi")
CEILING = "ceiling"
SERVERS = (CEILING, *SERVER_TYPES)


def model_folder(model: str) -> Path:
    """The code directory of a benchmark model."""
    return ASSETS / "models" / model


def body_file(rows: int) -> Path:
    """The CSV request body with that many rows."""
    return ASSETS / f"rows_{rows}.csv"


def large_file(megabytes: int) -> Path:
    """The generated CSV of that size."""
    return ASSETS / f"large_{megabytes}mb.csv"


def relative(path: Path) -> str:
    """A path as it is written in reports: below the repository, never of this machine."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
