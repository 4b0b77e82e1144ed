"""Keras models, beyond what the cases show."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from datarobot_drum.drum.errors import HookError, StartupError
from datarobot_drum.drum.predictors.keras import KerasPredictor, choose_backend
from datarobot_drum.drum.predictors.registry import load_artifact, predictor_for

# what Keras itself does to arrays of JAX
LIBRARY_WARNING = "ignore:__array__ implementation:DeprecationWarning"
pytestmark = [pytest.mark.framework("keras"), pytest.mark.filterwarnings(LIBRARY_WARNING)]


@pytest.fixture
def keras():
    choose_backend()
    import keras

    return keras


def linear(keras):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])


def test_backend_that_is_installed_is_chosen():
    code = (
        "from datarobot_drum.drum.predictors.keras import choose_backend as choose\n"
        "choose(); import keras; print(keras.backend.backend())"
    )
    env = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, check=True, capture_output=True, text=True
    )
    assert done.stdout == "jax\n"


def test_backend_that_was_chosen_stays(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    choose_backend()
    assert os.environ["KERAS_BACKEND"] == "numpy"


def test_pipeline_that_ends_in_a_model_is_accepted(keras, data, answer, tmp_path):
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    model = linear(keras)
    pipeline = Pipeline([("same", FunctionTransformer()), ("network", model)])
    assert predictor_for(pipeline) is KerasPredictor
    assert predictor_for(model) is KerasPredictor
    assert not KerasPredictor.accepts(Pipeline([("same", FunctionTransformer())]))


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_file_that_was_cut_off_is_told(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(StartupError, match="Could not load model from the artifact file"):
        load_artifact(tmp_path / name)


def test_table_that_does_not_fit_is_the_models_failure(keras, tmp_path, data, answer):
    model = linear(keras)
    model.save(tmp_path / "model.keras")
    expected = model.predict(data.table.to_numpy(), verbose=0).reshape(-1)
    np.testing.assert_allclose(answer("regression", data.table)["Predictions"], expected, rtol=1e-6)
    with pytest.raises(HookError, match="Failure when making predictions. Exception: "):
        answer("regression", data.table[["height"]])


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_ending_may_have_any_case(keras, tmp_path, data, answer, name):
    linear(keras).save(tmp_path / name)
    expected = answer("regression", data.table)
    (tmp_path / name).rename(tmp_path / name.upper())
    assert answer("regression", data.table).equals(expected)


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
def test_layer_with_code_inside_is_refused(keras, tmp_path, name):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda rows: rows * 2)])
    model.save(tmp_path / name)
    with pytest.raises(StartupError, match="unsafe|arbitrary code"):
        load_artifact(tmp_path / name)


def test_prediction_prints_nothing(keras, tmp_path, data, answer, capfd):
    linear(keras).save(tmp_path / "model.keras")
    answer("regression", data.table)
    assert capfd.readouterr().out == ""
