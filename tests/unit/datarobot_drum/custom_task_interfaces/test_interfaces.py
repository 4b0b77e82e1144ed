"""How a class task keeps itself, and what it may read."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from datarobot_drum.custom_task_interfaces import (
    AnomalyEstimatorInterface,
    ApiTokenSecret,
    BinaryEstimatorInterface,
    CustomTaskInterface,
    MulticlassEstimatorInterface,
    RegressionEstimatorInterface,
    TransformerInterface,
)
from datarobot_drum.custom_task_interfaces.provided import provide_secrets
from datarobot_drum.exceptions import DrumSerializationError


class Task(RegressionEstimatorInterface):
    """A task of this module, so that it can be pickled."""

    weights: Any
    big: Any
    small: Any
    good: Any

    def fit(self, X, y, **kwargs):
        """Learn nothing."""


class OtherTask(Task):
    """Another class."""


@pytest.fixture
def secret():
    secret = ApiTokenSecret("sup3rs3cret")
    provide_secrets({"KEY": secret})
    yield secret
    provide_secrets({})


def made(**attributes):
    task = Task()
    vars(task).update(attributes)
    return task


def test_saved_task_is_loaded_with_what_it_learned(tmp_path):
    task = made(weights=[1, 2])
    assert task.save(str(tmp_path)) is task
    loaded = Task.load(str(tmp_path))
    assert (type(loaded), loaded.weights) == (Task, [1, 2])
    assert [path.name for path in tmp_path.iterdir()] == ["drum_artifact.pkl"]


def test_excluded_attributes_are_none_in_the_artifact_and_stay_in_the_task(tmp_path):
    task = made(big=lambda: 1, small=2)
    task.save_task(str(tmp_path), exclude=["big"])
    assert task.big() == 1
    loaded = Task.load_task(str(tmp_path))
    assert (loaded.big, loaded.small) == (None, 2)


def test_excluding_an_unknown_attribute_is_refused_and_changes_nothing(tmp_path):
    task = made(big=1)
    with pytest.raises(DrumSerializationError, match="object named gone passed in exclude= was"):
        task.save_task(str(tmp_path), exclude=["big", "gone"])
    assert task.big == 1
    assert list(tmp_path.iterdir()) == []


def test_task_that_cannot_be_pickled_leaves_the_old_artifact(tmp_path):
    made(good=True).save(str(tmp_path))
    with pytest.raises(DrumSerializationError, match="pickle-able or excluded when saving") as got:
        made(bad=lambda: 1).save(str(tmp_path))
    assert got.value.__cause__ is not None
    assert Task.load(str(tmp_path)).good is True
    assert [path.name for path in tmp_path.iterdir()] == ["drum_artifact.pkl"]


def test_missing_folder_is_told_as_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError):
        made().save(str(tmp_path / "gone"))


def test_artifact_of_another_class_is_refused(tmp_path):
    made().save(str(tmp_path))
    with pytest.raises(DrumSerializationError, match="must return a OtherTask class"):
        OtherTask.load_task(str(tmp_path))


def test_secrets_are_read_while_they_are_provided(secret):
    task = Task()
    assert task.secrets == {"KEY": secret}
    provide_secrets({})
    assert task.secrets == {}


def test_no_secret_gets_into_a_pickle(secret):
    task = Task()
    assert task.secrets
    assert b"sup3rs3cret" not in pickle.dumps(task)


def test_log_message_prints_and_says_that_it_is_old(capsys):
    with pytest.warns(DeprecationWarning, match="use logging"):
        CustomTaskInterface.log_message("hello")
    assert capsys.readouterr().out == "hello\n"


@pytest.mark.parametrize(
    ("interface", "method"),
    [
        (CustomTaskInterface, "fit"),
        (RegressionEstimatorInterface, "predict"),
        (AnomalyEstimatorInterface, "predict"),
        (BinaryEstimatorInterface, "predict_proba"),
        (MulticlassEstimatorInterface, "predict_proba"),
        (TransformerInterface, "transform"),
    ],
)
def test_method_that_a_task_must_define_says_so(interface, method):
    arguments = (None, None) if method == "fit" else (None,)
    with pytest.raises(NotImplementedError, match=rf"must define {method}\(self, X"):
        getattr(interface(), method)(*arguments)
