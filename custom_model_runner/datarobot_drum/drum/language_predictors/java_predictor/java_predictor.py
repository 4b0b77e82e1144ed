"""A Java model as an object of Python, for a `custom.py` that combines several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.errors import StartupError

if TYPE_CHECKING:
    import pandas as pd

    from datarobot_drum.drum.predictors.child import ChildProcess


class JavaPredictor:
    """Loads a Java artifact in a process of its own; each object has one.

    A subclass may change what it likes; `configure` comes first. The variables `DRUM_JAVA_*` are
    heeded as they are for a folder of Java.
    """

    def __init__(self) -> None:
        self._process: ChildProcess | None = None

    def configure(self, params: Mapping[str, Any]) -> None:
        """Load the model in `params["__custom_model_path__"]`, a folder or an artifact.

        Further keys, which a custom class of Java gets too: `target_type`, `negativeClassLabel`,
        `positiveClassLabel`, `classLabels`. StartupError says what is wrong or missing. Called
        again it replaces the model.
        """
        from datarobot_drum.drum.predictors.java_folder import MODEL_PATH, java_settings
        from datarobot_drum.drum.predictors.java_process import start_java
        from datarobot_drum.drum.settings import Settings

        if MODEL_PATH not in params:
            raise StartupError(f"the parameters of a Java model lack {MODEL_PATH!r}: give its path")
        settings = java_settings(Settings.load(warn=False))
        plain = {name: _plain(value) for name, value in params.items()}
        self.terminate()
        self._process, _ = start_java(str(params[MODEL_PATH]), plain, settings)

    def predict(self, *, binary_data: bytes, **_: Any) -> pd.DataFrame:
        """The predictions for rows of CSV: the labels are the columns, else there is one.

        Errors are HookError, or InvalidInput when the data do not fit the model; further keywords
        are accepted and not used.
        """
        from datarobot_drum.drum.predictors.child import ChildError
        from datarobot_drum.drum.predictors.java_folder import read_answer
        from datarobot_drum.drum.predictors.java_process import reported

        if self._process is None:
            raise StartupError("call configure before predict: no Java model is loaded")
        try:
            answer = self._process.request({"op": "predict"}, [binary_data])
        except ChildError as error:
            raise reported(error) from error
        return read_answer(answer.parts[0])

    def terminate(self) -> None:
        """End the process; `configure` may follow. It ends with this program at the latest."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()


def _plain(value: Any) -> Any:
    """Enum members, such as a target type, as the text they stand for."""
    value = getattr(value, "value", value)
    return value if isinstance(value, (str, int, float, list, dict, type(None))) else str(value)
