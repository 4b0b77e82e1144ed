"""A Python model: the hooks of a folder over its artifact, with the checks of the target type."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import DrumError, HookError, InvalidOutput, NotSupported
from datarobot_drum.drum.exceptions import BaseCustomUserError, DrumTransformException
from datarobot_drum.drum.hooks import spec as hooks
from datarobot_drum.drum.hooks.loader import BoundHook, ModelHooks
from datarobot_drum.drum.model_folder import check_output
from datarobot_drum.drum.payloads import (
    OutputRules,
    Payload,
    Predictions,
    UnsupportedFormat,
    check_predictions,
    check_row_count,
    is_supported,
    read_table,
    split_extra,
)
from datarobot_drum.drum.predictors import unstructured
from datarobot_drum.drum.predictors.base import Predictor
from datarobot_drum.drum.predictors.model import Model

if TYPE_CHECKING:
    import pandas as pd

    from datarobot_drum.drum.model_folder import ModelMetadata, Target

logger = logging.getLogger("drum.model")

WHOLE_TABLE_HOOKS = (hooks.READ_INPUT_DATA, hooks.TRANSFORM, hooks.SCORE, hooks.POST_PROCESS)


@dataclass(frozen=True)
class PythonModel(Model):
    """What a model folder of Python holds: `custom.py`, an artifact, or both."""

    target: Target
    language: str
    hooks: ModelHooks
    model: Any
    predictor: Predictor | None
    rules: OutputRules
    code_dir: str
    metadata: ModelMetadata | None = None
    llm_id: str | None = None
    score_keywords: Mapping[str, object] = field(default_factory=dict)
    splits_extra: bool = True
    unstructured_keywords: Mapping[str, object] = field(default_factory=dict)

    @property
    def predictor_name(self) -> str | None:
        """The framework that scores; None when hooks do."""
        return self.predictor.name if self.predictor else None

    @property
    def is_row_wise(self) -> bool:
        """Is each row's prediction known to be independent of the other rows?

        True for a built-in predictor alone: a hook may look at the table as a whole.
        """
        return self.predictor is not None and not any(
            hook in self.hooks for hook in WHOLE_TABLE_HOOKS
        )

    @property
    def is_async(self) -> bool:
        """Is a hook that answers requests declared `async def`?"""
        return self.hooks.is_async

    @property
    def reads_raw_input(self) -> bool:
        """Does the folder read the request's bytes itself, whatever their format?"""
        return hooks.READ_INPUT_DATA in self.hooks

    @property
    def answers_unstructured(self) -> bool:
        """May the unstructured routes be used? Text generation needs the hook for them."""
        if self.target.type is TargetType.UNSTRUCTURED:
            return True
        return hooks.SCORE_UNSTRUCTURED in self.hooks

    @property
    def can_chat(self) -> bool:
        """Is there a `chat` hook?"""
        return hooks.CHAT in self.hooks

    def read(self, payload: Payload) -> Any:
        """The payload as the model wants it: a table, or whatever `read_input_data` makes of it."""
        hook = self.hooks.get(hooks.READ_INPUT_DATA)
        if hook is not None:
            data = _call(
                hook, "Model 'read_input_data' hook failed to read input data.", payload.bytes()
            )
            payload.keep(data)
            return data
        if not is_supported(payload):
            raise UnsupportedFormat(payload)
        return read_table(payload)

    def predict(self, payload: Payload) -> Predictions:
        """Read, predict and check."""
        return self.predict_table(self.read(payload), payload)

    def predict_table(self, table: Any, payload: Payload | None) -> Predictions:
        """Predict rows that were already read; `payload` is where they came from, if one did."""
        data = self._transformed(table)
        # in batch a transform may drop rows; a client could not tell which are left
        is_request = payload is not None and payload.from_request
        rows = _row_count(table if is_request else data)
        frame, extra = self._scored(data, payload)
        hook = self.hooks.get(hooks.POST_PROCESS)
        if hook is not None:
            frame = self._post_processed(hook, frame)
        if rows is not None:
            check_row_count(rows, len(frame), self.rules)
        return Predictions(frame, extra)

    def _transformed(self, table: Any) -> Any:
        hook = self.hooks.get(hooks.TRANSFORM)
        if hook is None:
            return table
        return _frame(
            _call(hook, TRANSFORM_FAILED, table, self.model, None),
            "transform must return a dataframe, but received {}",
        )

    def _scored(
        self, data: Any, payload: Payload | None
    ) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        hook = self.hooks.get(hooks.SCORE)
        if hook is None:
            return self._predicted(data), None
        result = _call(
            hook, SCORE_FAILED, data, self.model, **self.score_keywords, **_origin(hook, payload)
        )
        result = _frame(result, "score must return a dataframe, but received {}")
        frame, extra = split_extra(result, self.rules) if self.splits_extra else (result, None)
        return check_predictions(frame, list(frame.columns), self.rules), extra

    def _predicted(self, data: Any) -> pd.DataFrame:
        if self.predictor is None:
            raise NotSupported("this model has no score hook; use /chat/completions")
        try:
            raw = self.predictor.predict(data)
        except DrumError:
            raise
        except Exception as error:
            raise HookError(f"Failure when making predictions. Exception: {error!r}") from error
        is_bare = raw.is_legacy_bare and self.rules.legacy_label_order
        return check_predictions(raw.values, None if is_bare else raw.labels, self.rules)

    def _post_processed(self, hook: BoundHook, frame: pd.DataFrame) -> pd.DataFrame:
        result = _frame(
            _call(
                hook,
                "Model 'post_process' hook failed to post-process predictions.",
                frame,
                self.model,
            ),
            "Output of post_process hook must be a dataframe, not a {}",
        )
        return check_predictions(result, list(result.columns), self.rules)

    def transform(self, payload: Payload, y: pd.DataFrame | None = None) -> pd.DataFrame:
        """The transform task: as many rows as came in; `y` is the target if the client sent it."""
        table = self.read(payload)
        hook = self.hooks.get(hooks.TRANSFORM)
        if hook is not None:
            result = _guarded(lambda: _refuse_tuple(hook(table, self.model, y)), TRANSFORM_FAILED)
        else:
            result = self._artifact_transformed(table)
        result = _frame(result, "transform must return a dataframe, but received {}")
        if _row_count(table) not in (None, len(result)):
            raise InvalidOutput(
                "Transformation resulted in different number of rows than original data"
            )
        schema = self.metadata.type_schema if self.metadata else None
        if schema is not None:
            check_output(result, schema.output_requirements)
        return result

    def _artifact_transformed(self, table: Any) -> Any:
        import pandas as pd
        from scipy.sparse import issparse

        if self.predictor is None:
            raise NotSupported(NO_TRANSFORM)
        try:
            result = self.predictor.transform(table)
        except Exception as error:
            raise HookError(f"Couldn't naively apply transformer: {error}") from error
        if issparse(result):
            sparse: Any = pd.DataFrame.sparse
            return sparse.from_spmatrix(result)
        return pd.DataFrame(getattr(result, "values", result))

    def predict_unstructured(
        self,
        data: bytes | str,
        mimetype: str | None,
        charset: str | None,
        query: Mapping[str, str],
        headers: Mapping[str, str] | None,
        *,
        mlops: object | None = None,
    ) -> unstructured.UnstructuredReply:
        """Answer data of any form by the `score_unstructured` hook."""
        hook = self.hooks.get(hooks.SCORE_UNSTRUCTURED)
        if hook is None:
            raise NotSupported(unstructured.NO_HOOK)
        keywords = unstructured.keywords(mimetype, charset)
        if isinstance(data, bytes):
            data = unstructured.decoded(data, keywords)
        if headers is not None:
            keywords["headers"] = headers
        if mlops is not None:
            keywords["mlops"] = mlops
        try:
            result = hook(self.model, data, query=query, **keywords, **self.unstructured_keywords)
        except BaseCustomUserError:
            raise
        except Exception as error:
            raise HookError(str(error) or repr(error)) from error
        return unstructured.to_reply(result)

    def chat(
        self,
        params: dict[str, Any],
        headers: Mapping[str, str],
        *,
        association_id: object | None = None,
    ) -> Any:
        """What the `chat` hook returns: a completion or an iterable of chunks, unchecked."""
        hook = self.hooks.get(hooks.CHAT)
        if hook is None:
            return super().chat(params, headers)
        try:
            # an author's hook takes two; the moderation around one takes the third as well
            return hook(params, self.model, association_id, headers=headers)
        except BaseCustomUserError:
            raise
        except Exception as error:
            raise HookError(str(error) or repr(error)) from error

    def llm_models(self) -> list[dict[str, Any]]:
        """The models that `/models` lists, in OpenAI's form."""
        if self.target.type is not TargetType.TEXT_GENERATION:
            return super().llm_models()
        hook = self.hooks.get(hooks.LLM_MODELS)
        if hook is not None:
            models: list[dict[str, Any]] = _guarded(
                lambda: _as_models(hook(self.model)), LLM_MODELS_FAILED
            )
            return models
        if self.llm_id is None:
            return []
        return [
            {"id": self.llm_id, "object": "model", "created": LLM_CREATED, "owned_by": "DataRobot"}
        ]

    def info(self) -> dict[str, Any]:
        """What `/info/` tells about the model."""
        return {**super().info(), "predictor": self.predictor_name}

    def terminate(self) -> None:
        """Let go of what the predictor holds."""
        if self.predictor is not None:
            self.predictor.close()


TRANSFORM_FAILED = "Model 'transform hook' failed to transform dataset."
SCORE_FAILED = "Model 'score' hook failed to make predictions."
LLM_MODELS_FAILED = "Model 'get_supported_llm_models' hook failed."
NO_TRANSFORM = (
    "A transform task requires a user-defined transform hook for non-sklearn transformers"
)
#: clients compare this entry, so it is not the time of the call
LLM_CREATED = 1735689600


def _call(hook: BoundHook, failure: str, *args: Any, **extras: Any) -> Any:
    return _guarded(lambda: hook(*args, **extras), failure)


def _guarded(call: Callable[[], Any], failure: str) -> Any:
    """Run model code; its own HTTP errors pass, anything else is a HookError that shows it."""
    try:
        return call()
    except BaseCustomUserError:
        raise
    except Exception as error:
        raise HookError(f"{failure} Exception: {error!r}") from error


def _frame(result: Any, message: str) -> pd.DataFrame:
    import pandas as pd

    if isinstance(result, pd.DataFrame):
        return result
    raise InvalidOutput(message.format(type(result)))


def _row_count(data: Any) -> int | None:
    """Rows of a data frame or sparse matrix; None for anything else that `read_input_data` made.

    An array may be a single image, so its first dimension tells nothing.
    """
    import pandas as pd
    from scipy.sparse import issparse

    if isinstance(data, pd.DataFrame):
        return len(data)
    shape: tuple[Any, ...] = getattr(data, "shape", ())
    return int(shape[0]) if issparse(data) and len(shape) == 2 else None


def _refuse_tuple(result: Any) -> Any:
    if isinstance(result, tuple):
        raise DrumTransformException(
            "Transformation of the target variable is not supported by DRUM."
        )
    return result


def score_keywords(target: Target) -> dict[str, object]:
    """The keywords of `score` that are the same in every call."""
    keywords: dict[str, object] = {"target_type": target.type}
    if target.type is TargetType.BINARY:
        keywords["positive_class_label"] = target.positive_label
        keywords["negative_class_label"] = target.negative_label
    elif target.labels:
        keywords["class_labels"] = list(target.labels)
    return keywords


def _origin(hook: BoundHook, payload: Payload | None) -> dict[str, object]:
    """The keywords of `score` that tell where the rows came from."""
    if payload is None:
        return {"binary_data": None, "mimetype": None, "sparse_colnames": None}
    wants_bytes = hook.keywords is None or "binary_data" in hook.keywords
    names = payload.column_names
    origin: dict[str, object] = {
        # copying a large body out of its file only for a hook that looks at it
        "binary_data": payload.bytes() if wants_bytes else None,
        "mimetype": payload.media_type if payload.from_request else _file_type(payload),
        "sparse_colnames": None if names is None else list(names),
    }
    if payload.from_request:
        origin["charset"] = payload.charset
    return origin


def _file_type(payload: Payload) -> str | None:
    # hooks written for the reference take None for "a CSV file"
    return None if payload.media_type == "text/csv" else payload.media_type


def _as_models(found: Any) -> list[dict[str, Any]]:
    return [item for item in map(_as_model, found or ()) if item is not None]


def _as_model(item: Any) -> dict[str, Any] | None:
    if isinstance(item, dict):
        return item if item.get("object") == "model" else None
    return dict(item.to_dict()) if getattr(item, "object", None) == "model" else None
