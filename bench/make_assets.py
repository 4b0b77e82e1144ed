"""Make the models and request bodies of the benchmark below `bench/.assets`.

    python bench/make_assets.py [--force] [--large MB]

`const` answers a constant column, so that what is measured is the server. `pipeline` is a
realistic scikit-learn pipeline: imputer, scaler, one-hot encoder, 100 boosted trees. Seeds are
fixed; everything is made anew when scikit-learn, pandas or this recipe has changed.
"""

from __future__ import annotations

import argparse
import json
import logging
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from paths import (
    ASSETS,
    FORMS,
    ROWS,
    body_file,
    estimator_file,
    large_file,
    model_folder,
    relative,
)
from peers import body_of

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

logger = logging.getLogger("bench.make_assets")

RECIPE = 2
TRAINING_ROWS = 20_000
TREES = 100
NUMBERS = [f"num_{i}" for i in range(10)]
GRADES = list("ABCDEFG")
LEVELS = {
    "colour": ["red", "green", "blue", "black", "white"],
    "region": [f"region_{i:02d}" for i in range(20)],
    "grade": GRADES,
    "channel": ["web", "phone", "shop", "partner"],
}
CONSTANT_MODEL = '''\
"""Answers a constant, so that the time of a request is the time of the server."""

import numpy as np
import pandas as pd


def load_model(code_dir):
    return "constant"


def score(data, model, **kwargs):
    return pd.DataFrame({"Predictions": np.full(len(data), 42.0)})
'''


def table(rows: int, seed: int) -> pd.DataFrame:
    """Ten numeric and four categorical columns; 5 % of three columns are missing."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    numbers = {name: np.round(rng.normal(i, 1 + i, rows), 6) for i, name in enumerate(NUMBERS)}
    frame = pd.DataFrame(numbers)
    for name in NUMBERS[:3] if rows > 1 else []:
        frame.loc[rng.random(rows) < 0.05, name] = np.nan
    for name, levels in LEVELS.items():
        frame[name] = rng.choice(np.array(levels), rows)
    return frame


def target(frame: pd.DataFrame) -> pd.Series[float]:
    """A target the trees have something to learn from."""
    import numpy as np

    noise = np.random.default_rng(2).normal(0, 1, len(frame))
    grade = frame["grade"].map({name: i for i, name in enumerate(GRADES)})
    return frame["num_1"].fillna(0) * 2 + frame["num_5"] ** 2 / 10 + grade + noise


def untrained_pipeline() -> Pipeline:
    """Imputer, scaler and one-hot encoder before the boosted trees."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    categories = make_pipeline(SimpleImputer(strategy="most_frequent"), encoder)
    columns = ColumnTransformer(
        [("numbers", numbers, NUMBERS), ("categories", categories, list(LEVELS))]
    )
    trees = GradientBoostingRegressor(n_estimators=TREES, max_depth=3, random_state=0)
    return make_pipeline(columns, trees)


def make_constant_model() -> None:
    """Write the folder whose `score` answers a constant column."""
    folder = model_folder("const")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "custom.py").write_text(CONSTANT_MODEL)


def make_pipeline_model() -> None:
    """Train the pipeline and write its folder: one artifact, no hooks."""
    frame = table(TRAINING_ROWS, seed=1)
    pipeline = untrained_pipeline().fit(frame, target(frame))
    folder = model_folder("pipeline")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.pkl").write_bytes(pickle.dumps(pipeline))


def make_estimators() -> None:
    """Write what peers serve, who have no hooks: the same pipeline, and a constant."""
    from sklearn.dummy import DummyRegressor

    constant = DummyRegressor(strategy="constant", constant=42.0).fit([[0]], [42.0])
    estimator_file("const").parent.mkdir(parents=True, exist_ok=True)
    estimator_file("const").write_bytes(pickle.dumps(constant))
    estimator_file("pipeline").write_bytes((model_folder("pipeline") / "model.pkl").read_bytes())


def make_bodies() -> None:
    """Write one CSV for each number of rows, and the same tables as JSON for peers."""
    for rows in ROWS:
        table(rows, seed=100 + rows).to_csv(body_file(rows), index=False)
        for form in FORMS:
            body_file(rows, form).write_text(json.dumps(body_of(form, body_file(rows))))


def stamp() -> str:
    """What the assets depend on; a pickle of another scikit-learn must not be reused."""
    import pandas as pd
    import sklearn

    return f"recipe {RECIPE}, scikit-learn {sklearn.__version__}, pandas {pd.__version__}\n"


def ensure_assets(force: bool = False) -> None:
    """Make the models and bodies unless they are there and current."""
    mark = ASSETS / "stamp.txt"
    if not force and mark.is_file() and mark.read_text() == stamp():
        return
    ASSETS.mkdir(parents=True, exist_ok=True)
    make_constant_model()
    make_pipeline_model()
    make_estimators()
    make_bodies()
    mark.write_text(stamp())
    logger.info("made models and bodies in %s", relative(ASSETS))


def _repeated(lines: list[bytes], size: int) -> Iterator[bytes]:
    """Blocks of the lines over and over, until they make up the size."""
    block = b"".join(lines)
    while size > len(block):
        size -= len(block)
        yield block
    for line in lines:
        if size <= 0:
            return
        size -= len(line)
        yield line


def make_large_csv(megabytes: int) -> Path:
    """The large CSV: the rows of the largest body, repeated. An existing file is reused."""
    path = large_file(megabytes)
    if path.is_file() and path.stat().st_size >= megabytes * 1_000_000:
        return path
    header, *lines = body_file(max(ROWS)).read_bytes().splitlines(keepends=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as out:
        out.write(header)
        out.writelines(_repeated(lines, megabytes * 1_000_000 - len(header)))
    partial.replace(path)
    logger.info("made %s", relative(path))
    return path


def count_rows(path: Path) -> int:
    """Rows below the header of a CSV without quoted line ends."""
    with path.open("rb") as source:
        return sum(block.count(b"\n") for block in iter(lambda: source.read(1 << 20), b"")) - 1


def main() -> None:
    """Command line: make what is missing and list it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--force", action="store_true", help="make everything anew")
    parser.add_argument("--large", type=int, metavar="MB", help="also make a CSV of that size")
    options = parser.parse_args()
    ensure_assets(options.force)
    if options.large:
        make_large_csv(options.large)
    for path in sorted(path for path in ASSETS.rglob("*") if path.is_file()):
        sys.stdout.write(f"{path.stat().st_size:>12,} {relative(path)}\n")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
