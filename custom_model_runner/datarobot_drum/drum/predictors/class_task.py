"""Class tasks: the `CustomTask` of a folder as a model."""

from __future__ import annotations

from datarobot_drum.custom_task_interfaces import CustomTaskInterface
from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import StartupError
from datarobot_drum.drum.exceptions import BaseCustomUserError
from datarobot_drum.drum.hooks import spec as hooks
from datarobot_drum.drum.hooks.loader import BoundHook, ModelHooks, bind, sharing_loop
from datarobot_drum.drum.hooks.spec import Hook
from datarobot_drum.drum.predictors.hooked import PythonModel, score_keywords
from datarobot_drum.drum.predictors.request import LoadRequest

PREDICT = Hook("predict", ("X",), "Predicts a value for each row.", hooks.SCORE.extras)
PREDICT_PROBA = Hook("predict_proba", ("X",), "Predicts probabilities.", hooks.SCORE.extras)
TRANSFORM = Hook("transform", ("X",), "Changes the data.")


def load(request: LoadRequest, cls: type[CustomTaskInterface]) -> PythonModel:
    """Load the trained task of the folder; its methods stand in for the hooks.

    Raises StartupError when `CustomTask.load` fails or the task lacks what its target type needs.
    """
    task = _loaded(cls, request.code_dir)
    target = request.target
    name, method = _method_for(target.type)
    return PythonModel(
        target=target,
        language=request.language,
        hooks=ModelHooks(sharing_loop({name: _bound(method, task)})),
        model=task,
        predictor=None,
        rules=request.rules(),
        code_dir=request.code_dir,
        metadata=request.metadata,
        score_keywords=score_keywords(target),
        splits_extra=False,
    )


def _loaded(cls: type[CustomTaskInterface], code_dir: str) -> CustomTaskInterface:
    try:
        task: object = cls.load(code_dir)
    except BaseCustomUserError:
        raise
    except Exception as error:
        raise StartupError(f"Failed to load custom task class. Exception: {error!r}") from error
    if not isinstance(task, CustomTaskInterface):
        raise StartupError(
            f"Failed to load custom task class. CustomTask.load returned {type(task)}; "
            "return the task"
        )
    return task


def _method_for(target_type: TargetType) -> tuple[str, Hook]:
    """The hook that a method of the task stands in for, and that method."""
    if target_type is TargetType.UNSTRUCTURED:
        raise StartupError(
            "a CustomTask class cannot be unstructured; define the hooks load_model and "
            "score_unstructured instead"
        )
    if target_type is TargetType.TRANSFORM:
        return hooks.TRANSFORM.name, TRANSFORM
    return hooks.SCORE.name, PREDICT_PROBA if target_type.is_classification else PREDICT


def _bound(method: Hook, task: CustomTaskInterface) -> BoundHook:
    function = getattr(task, method.name, None)
    if function is None:
        raise StartupError(
            f"the CustomTask class has no method {method.name!r}, which its target type needs; "
            "derive it from the interface of that target type"
        )
    return bind(method, function)
