"""A model folder inside a program of one's own, without a server: for tests of agents and hooks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from datarobot_drum.drum.payloads import Payload
    from datarobot_drum.drum.predictors import Model

#: Required by the command line, never listened on.
ADDRESS = "localhost:6789"


class InlinePredictor:
    """A loaded model, called in the calling thread."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def chat(self, completion_create_params: dict[str, Any], **_: Any) -> Any:
        """What the `chat` hook answers; it gets no headers."""
        return self.model.chat(completion_create_params, {})

    def predict(
        self, binary_data: bytes, mimetype: str | None = "text/csv", **_: Any
    ) -> pd.DataFrame:
        """The checked predictions for a table, extra columns included."""
        predictions = self.model.predict(_payload(binary_data, mimetype))
        if predictions.extra is None:
            return predictions.frame
        return predictions.frame.join(predictions.extra)

    def transform(
        self, binary_data: bytes, mimetype: str | None = "text/csv", **_: Any
    ) -> pd.DataFrame:
        """The transformed table."""
        return self.model.transform(_payload(binary_data, mimetype))

    def predict_unstructured(
        self,
        data: bytes | str,
        mimetype: str | None = None,
        charset: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> tuple[str | bytes | None, dict[str, str | None]]:
        """What the `score_unstructured` hook answers, with its media type and charset."""
        reply = self.model.predict_unstructured(data, mimetype, charset, query or {}, headers)
        return reply.body, {"mimetype": reply.media_type, "charset": reply.charset}


@contextmanager
def drum_inline_predictor(
    target_type: str | TargetType,
    custom_model_dir: str | os.PathLike[str],
    target_name: str | None,
    *cmd_args: str,
) -> Iterator[InlinePredictor]:
    """Load a model folder, and let go of it at the end.

    `cmd_args` are further options of `drum server`. The environment holds the target's name and
    the runtime parameters meanwhile, and is afterwards what it was. UsageError for options that
    `drum server` would refuse.
    """
    kind = target_type.value if isinstance(target_type, TargetType) else target_type
    place = ("--code-dir", os.fspath(custom_model_dir), "--address", ADDRESS)
    before = dict(os.environ)
    try:
        if target_name is not None:
            os.environ["TARGET_NAME"] = target_name
        model = _load(["server", *place, "--target-type", kind, *cmd_args])
        try:
            yield InlinePredictor(model)
        finally:
            model.terminate()
    finally:
        os.environ.clear()
        os.environ.update(before)


def _load(argv: list[str]) -> Model:
    from datarobot_drum.drum.cli import checks
    from datarobot_drum.drum.cli.model_spec import load_parameters, model_spec
    from datarobot_drum.drum.cli.parser import parse
    from datarobot_drum.drum.predictors import load_model
    from datarobot_drum.drum.settings import Settings

    try:
        args = parse(argv)
    except SystemExit as stop:
        raise UsageError("the options are not those of `drum server`; see the log") from stop
    checks.check_options(args, os.environ)
    load_parameters(args)
    return load_model(model_spec(args), Settings.load())


def _payload(data: bytes, mimetype: str | None) -> Payload:
    from datarobot_drum.drum.payloads import Payload

    return Payload(data, media_type=mimetype)
