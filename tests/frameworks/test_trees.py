"""XGBoost, LightGBM, CatBoost and skops, beyond what the cases show."""

from __future__ import annotations

import importlib
import json
import pickle

import numpy as np
import pytest
from tests.frameworks.training import LABELS

from datarobot_drum.drum.errors import DrumError, HookError, StartupError
from datarobot_drum.drum.predictors.registry import load_artifact, predictor_for
from datarobot_drum.drum.predictors.sklearn import SklearnPredictor
from datarobot_drum.drum.predictors.xgboost import XgboostPredictor

pytestmark = pytest.mark.framework("trees")

FAILED = "Failure when making predictions. Exception: "


def save_booster(data, path):
    import xgboost

    booster = xgboost.train({"max_depth": 2}, xgboost.DMatrix(data.table, label=data.number), 3)
    booster.save_model(path)
    return booster


def test_xgboost_json_of_an_estimator_is_a_booster(tmp_path, data, answer, load):
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=3).fit(data.table, data.flag)
    model.save_model(tmp_path / "model.json")
    assert load("binary").info()["predictor"] == "xgboost"
    expected = model.predict_proba(data.table)
    np.testing.assert_allclose(answer("binary", data.table)[["no", "yes"]], expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["XGBClassifier", "XGBRegressor"])
def test_xgboost_estimator_alone_is_scikit_learns(data, kind):
    import xgboost
    from sklearn.pipeline import make_pipeline

    model = getattr(xgboost, kind)(n_estimators=2).fit(data.table, data.flag)
    assert predictor_for(model) is SklearnPredictor
    assert predictor_for(make_pipeline(model)) is XgboostPredictor


def test_xgboost_pipeline_gives_probabilities_by_its_labels(tmp_path, data, answer):
    import xgboost
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(xgboost.XGBClassifier(n_estimators=3)).fit(data.table, data.flag)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    expected = model.predict_proba(data.table)
    np.testing.assert_allclose(answer("binary", data.table)[["no", "yes"]], expected, rtol=1e-6)


def test_xgboost_model_gets_missing_values_and_refuses_other_columns(tmp_path, data, answer):
    import xgboost

    booster = save_booster(data, tmp_path / "model.ubj")
    table = data.table.mask(data.table > 1)
    expected = booster.predict(xgboost.DMatrix(table))
    np.testing.assert_allclose(answer("regression", table)["Predictions"], expected)
    with pytest.raises(HookError, match=FAILED + "ValueError"):
        answer("regression", table.rename(columns={"depth": "length"}))


@pytest.mark.parametrize("cut", [10, 200, 1000])
@pytest.mark.parametrize("name", ["model.ubj", "MODEL.UBJ", "model.json"])
def test_xgboost_file_that_was_cut_off_is_told(tmp_path, data, cut, name):
    path = tmp_path / name
    save_booster(data, path)
    load_artifact(path)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(StartupError, match="Could not load model from the artifact file"):
        load_artifact(path)


def test_json_data_beside_the_model_are_left_alone(tmp_path, data, load):
    save_booster(data, tmp_path / "model.json")
    (tmp_path / "labels.json").write_text(json.dumps({"learner": "no model"}))
    assert load("regression").info()["predictor"] == "xgboost"


def test_lightgbm_refuses_columns_in_another_order(tmp_path, data, answer):
    importlib.import_module("tests.frameworks.train_lightgbm").text_binary(tmp_path, data)
    with pytest.raises(HookError, match=r"was trained on the columns \['height', 'width'"):
        answer("binary", data.table[["width", "height", "depth"]])


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_lightgbm_knows_columns_without_names_or_with_spaces(tmp_path, data, answer):
    train = importlib.import_module("tests.frameworks.train_lightgbm").train
    for table in (data.table.to_numpy(), data.table.rename(columns={"depth": "depth in cm"})):
        model = train(type(data)(table, data.number, data.classes), data.number)
        model.save_model(tmp_path / "model.txt")
        asked = data.table if isinstance(table, np.ndarray) else table
        expected = model.predict(table)
        np.testing.assert_allclose(answer("regression", asked)["Predictions"], expected)


def test_lightgbm_file_that_is_broken_is_told(tmp_path):
    (tmp_path / "model.txt").write_text("tree\nversion=v4\n")
    with pytest.raises(StartupError, match="Could not load model from the artifact file"):
        load_artifact(tmp_path / "model.txt")


def test_catboost_multilabel_has_the_given_order(tmp_path, data, answer):
    import catboost

    flags = np.stack([data.table[name] > 0 for name in data.table], axis=1).astype(int)
    options = {"verbose": False, "allow_writing_files": False, "iterations": 3}
    model = catboost.CatBoostClassifier(loss_function="MultiLogloss", **options)
    model.fit(data.table, flags).save_model(str(tmp_path / "model.cbm"))
    frame = answer("multilabel", data.table)
    assert tuple(frame.columns) == LABELS
    np.testing.assert_allclose(frame, model.predict_proba(data.table))


def test_catboost_regressor_in_a_pickle_predicts_as_it_does(tmp_path, data, answer):
    import catboost

    options = {"verbose": False, "allow_writing_files": False, "iterations": 3}
    model = catboost.CatBoostRegressor(loss_function="Tweedie:variance_power=1.5", **options)
    model.fit(data.table, data.classes)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(model))
    frame = answer("regression", data.table)
    np.testing.assert_allclose(frame["Predictions"], model.predict(data.table))


def test_catboost_file_of_something_else_is_told(tmp_path):
    (tmp_path / "model.cbm").write_bytes(b"no model")
    with pytest.raises(StartupError, match="Could not load model from the artifact file"):
        load_artifact(tmp_path / "model.cbm")


def double(table):
    """A function that skops cannot know."""
    return table * 2


def test_skops_file_with_unknown_types_is_refused_by_their_names(tmp_path):
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    skops.io.dump(FunctionTransformer(double), tmp_path / "model.skops")
    with pytest.raises(StartupError, match="types that are not trusted") as caught:
        load_artifact(tmp_path / "model.skops")
    assert "test_trees.double" in str(caught.value)
    assert "load_model hook" in str(caught.value)


def test_skops_types_are_trusted_through_the_documented_hook(tmp_path, data, load, documented_hook):
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    skops.io.dump(FunctionTransformer(double), tmp_path / "model.skops")
    documented_hook("skops")
    path = tmp_path / "custom.py"
    path.write_text(path.read_text().replace("my_package.MyTransformer", f"{__name__}.double"))
    frame = load("transform").predictor.transform(data.table)
    assert frame.equals(data.table * 2)


def test_text_targets_need_a_hook(tmp_path, data, answer):
    save_booster(data, tmp_path / "model.ubj")
    with pytest.raises(DrumError, match="Target type 'textgeneration' is not supported by"):
        answer("textgeneration", data.table)
