"""What a loaded model offers to the server and to the commands, whatever language it is in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import NotSupported, StartupError

if TYPE_CHECKING:
    import pandas as pd

    from datarobot_drum.drum.model_folder import ModelMetadata, Target
    from datarobot_drum.drum.payloads import OutputRules, Payload, Predictions
    from datarobot_drum.drum.predictors.unstructured import UnstructuredReply
    from datarobot_drum.drum.upstream import Upstream

#: what `/capabilities/` lists; the versions are always null, as in the reference
TABLE_FORMATS: Mapping[str, None] = {"csv": None, "mtx": None}


class Model(ABC):
    """A model that was loaded, ready to answer; made by `load_model`.

    Not thread-safe: model code may assume that its calls never overlap in one process; only a
    model with an inference server behind it must let them. What a kind of model does not offer
    raises NotSupported, so a subclass defines only what it can do.
    """

    #: formats of structured input, as `/capabilities/` tells them
    payload_formats: ClassVar[Mapping[str, None]] = TABLE_FORMATS

    target: Target
    language: str
    rules: OutputRules
    code_dir: str
    metadata: ModelMetadata | None

    @property
    def upstream(self) -> Upstream | None:
        """The inference server that answers for this model, if there is one."""
        return None

    @property
    def is_row_wise(self) -> bool:
        """Is each row's prediction known to be independent of the other rows?"""
        return False

    @property
    def is_async(self) -> bool:
        """Does it await hooks, so that requests may overlap while the sync code takes turns?"""
        return False

    @property
    def reads_raw_input(self) -> bool:
        """Does the model read the request's bytes itself, whatever their format?"""
        return False

    @property
    def answers_unstructured(self) -> bool:
        """May the unstructured routes be used?"""
        return self.target.type is TargetType.UNSTRUCTURED

    @property
    def can_chat(self) -> bool:
        """Can it answer chat requests?"""
        return False

    @abstractmethod
    def predict(self, payload: Payload) -> Predictions:
        """Read, predict and check."""

    def predict_table(self, table: Any, payload: Payload | None) -> Predictions:
        """Predict rows that were already read; `payload` is where they came from, if one did."""
        raise NotSupported("this model does not take tables that were already read")

    def transform(self, payload: Payload, y: pd.DataFrame | None = None) -> pd.DataFrame:
        """The transform task: as many rows as came in; `y` is the target if the client sent it."""
        raise NotSupported(f"models in language {self.language!r} cannot transform")

    def predict_unstructured(
        self,
        data: bytes | str,
        mimetype: str | None,
        charset: str | None,
        query: Mapping[str, str],
        headers: Mapping[str, str] | None,
        *,
        mlops: object | None = None,
    ) -> UnstructuredReply:
        """Answer data of any form; `mlops` is for the hook, to report with."""
        raise NotSupported("The unstructured target type is not supported")

    def chat(
        self,
        params: dict[str, Any],
        headers: Mapping[str, str],
        *,
        association_id: object | None = None,
    ) -> Any:
        """Answer a chat request: a completion or an iterable of chunks, unchecked.

        `association_id` is what the answer will be tagged with; moderation records it.
        """
        offered = self.target.type in (TargetType.TEXT_GENERATION, TargetType.AGENTIC_WORKFLOW)
        reason = "chat() is not implemented" if offered else "chat is not supported"
        raise NotSupported(f"This model's chat interface was called, but {reason}.")

    def llm_models(self) -> list[dict[str, Any]]:
        """The models that `/models` lists, in OpenAI's form."""
        raise NotSupported("get_supported_llm_models is supported only for TextGen models")

    def info(self) -> dict[str, Any]:
        """What `/info/` tells about the model."""
        facts: dict[str, Any] = {
            "codeDir": self.code_dir,
            "targetType": self.target.type.value,
            "language": self.language,
            "modelMetadata": self.metadata.raw if self.metadata else None,
        }
        if self.target.type is TargetType.BINARY:
            facts["positiveClassLabel"] = self.target.positive_label
            facts["negativeClassLabel"] = self.target.negative_label
        elif self.target.labels:
            facts["classLabels"] = list(self.target.labels)
        return facts

    def when_failed(self, notify: Callable[[StartupError], None]) -> None:  # noqa: B027  # as below
        """Call `notify`, on any thread, when the model stops working and will not recover."""

    def terminate(self) -> None:  # noqa: B027  # most models hold nothing outside this process
        """Let go of what the model holds."""
