"""A model behind a server that speaks OpenAI's API: chat, prompts of a table, the model list."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from datarobot_drum.drum.enum import PREDICTIONS_COLUMN
from datarobot_drum.drum.errors import (
    DeadlineExceeded,
    InvalidInput,
    InvalidOutput,
    StartupError,
    UpstreamError,
)
from datarobot_drum.drum.hooks import spec as hooks
from datarobot_drum.drum.observability.context import is_abandoned
from datarobot_drum.drum.payloads import (
    OutputRules,
    Payload,
    Predictions,
    UnsupportedFormat,
    check_predictions,
    read_table,
    split_extra,
)
from datarobot_drum.drum.predictors.hooked import PythonModel
from datarobot_drum.drum.predictors.inference.client import EventStream, UpstreamClient
from datarobot_drum.drum.predictors.inference.managed import ManagedServer
from datarobot_drum.drum.predictors.model import Model
from datarobot_drum.drum.predictors.unstructured import UnstructuredReply
from datarobot_drum.drum.settings import InferenceSettings
from datarobot_drum.drum.settings.inference import DEPLOYED_LLM
from datarobot_drum.drum.upstream import Upstream

if TYPE_CHECKING:
    import pandas as pd

    from datarobot_drum.drum.model_folder import ModelMetadata, Target

CHAT = "/v1/chat/completions"
MODELS = "/v1/models"
CSV_TYPES = ("text/csv", "text/plain", "", None)
NOT_FOUND = 404


@dataclass
class OpenAIModel(Model):
    """An inference server, and the hooks of the model folder if there are any.

    Calls may overlap; those of the folder's hooks take turns. `managed` is the server's process
    where this program has started it.
    """

    payload_formats: ClassVar[Mapping[str, None]] = {"csv": None}

    target: Target
    language: str
    rules: OutputRules
    code_dir: str
    metadata: ModelMetadata | None
    place: Upstream
    settings: InferenceSettings
    prompt_column: str
    client: UpstreamClient
    folder: PythonModel | None = None
    managed: ManagedServer | None = None
    hooks_client: object = None
    _sidecar_name: str | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def upstream(self) -> Upstream:
        """The inference server."""
        return self.place

    @property
    def can_chat(self) -> bool:
        """Every server of this kind can."""
        return True

    @property
    def answers_unstructured(self) -> bool:
        """Only where the folder has a hook for it."""
        return self._has(hooks.SCORE_UNSTRUCTURED) or super().answers_unstructured

    def _has(self, hook: hooks.Hook) -> bool:
        return self.folder is not None and hook in self.folder.hooks

    def chat(
        self,
        params: dict[str, Any],
        headers: Mapping[str, str],
        *,
        association_id: object | None = None,
    ) -> Any:
        """Send the request on, whatever keys it has, with the name of the model it is for."""
        answer = self._complete({**params, "model": self._model_for(params.get("model"))})
        if isinstance(answer, EventStream):
            return answer
        if not isinstance(answer, dict):
            raise UpstreamError(f"the {self.place.name} server answered with no JSON object")
        return _completed(answer)

    def _complete(self, body: dict[str, Any]) -> Any:
        try:
            return self.client.ask(CHAT, body)
        except UpstreamError as error:
            if error.status in (UpstreamError.status, NOT_FOUND):
                # it may come back with another model
                self._sidecar_name = None
            raise

    def _model_for(self, asked: Any) -> Any:
        if asked and asked != DEPLOYED_LLM:
            return asked
        if self.managed is not None:
            return self.settings.served_model_name
        if self._sidecar_name is None:
            self._sidecar_name = self._first_model()
        return self._sidecar_name

    def _first_model(self) -> str:
        models = self.llm_models()
        if not models or "id" not in models[0]:
            raise UpstreamError(f"the {self.place.name} server lists no model")
        return str(models[0]["id"])

    def llm_models(self) -> list[dict[str, Any]]:
        """The models of the inference server."""
        answer = self.client.ask(MODELS)
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, list):
            raise UpstreamError(f"the {self.place.name} server sent no list of models")
        return [item for item in data if isinstance(item, dict)]

    def predict(self, payload: Payload) -> Predictions:
        """One chat for each row, or the folder's `score` hook; CSV only."""
        if self.folder is not None and self._has(hooks.SCORE):
            self._wait_in_batch(payload)
            with self._turn:
                return self.folder.predict(payload)
        if payload.media_type not in CSV_TYPES:
            raise UnsupportedFormat(payload)
        return self.predict_table(read_table(payload), payload)

    def predict_table(self, table: Any, payload: Payload | None) -> Predictions:
        """One chat for each row of the prompts' column."""
        self._wait_in_batch(payload)
        column = self.prompt_column
        if column not in table.columns:
            raise InvalidInput(f"Model expects column names '['{column}']'")
        model = self._model_for(None)
        texts = [self._answers(prompt, model) for prompt in table[column]]
        return self._predictions(texts)

    def _wait_in_batch(self, payload: Payload | None) -> None:
        # a server answers 503 meanwhile; a batch has nobody to tell it to
        is_request = payload is not None and payload.from_request
        if self.managed is not None and not is_request:
            self.managed.wait_until_ready()

    def _answers(self, prompt: Any, model: Any) -> list[str]:
        if is_abandoned.get()():
            raise DeadlineExceeded("nobody waits for the answers any more")
        system = self.settings.system_prompt
        messages = [] if system is None else [{"role": "system", "content": system}]
        answer = self._complete(
            {
                "model": model,
                "messages": [*messages, {"role": "user", "content": str(prompt)}],
                "max_tokens": self.settings.max_tokens,
                "n": self.settings.n,
                "temperature": self.settings.temperature,
            }
        )
        try:
            return [choice["message"]["content"] for choice in answer["choices"]]
        except (KeyError, TypeError) as error:
            raise UpstreamError(
                f"the {self.place.name} server answered with no completion"
            ) from error

    def _predictions(self, texts: list[list[str]]) -> Predictions:
        import pandas as pd

        if any(len(row) < self.settings.n for row in texts):
            raise InvalidOutput(
                f"the {self.place.name} server gave fewer than {self.settings.n} answers to a "
                "prompt; ask for fewer with the runtime parameter n"
            )
        name = self.target.name or PREDICTIONS_COLUMN
        names = [name, *(f"{name}_{number}" for number in range(2, self.settings.n + 1))]
        answers = {name: [row[place] for row in texts] for place, name in enumerate(names)}
        frame, extra = split_extra(pd.DataFrame(answers), self.rules)
        return Predictions(check_predictions(frame, list(frame.columns), self.rules), extra)

    def transform(self, payload: Payload, y: pd.DataFrame | None = None) -> pd.DataFrame:
        """Not what a language model does."""
        return super().transform(payload, y)

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
        """The folder's `score_unstructured` hook."""
        if self.folder is None or not self._has(hooks.SCORE_UNSTRUCTURED):
            return super().predict_unstructured(data, mimetype, charset, query, headers)
        with self._turn:
            return self.folder.predict_unstructured(data, mimetype, charset, query, headers)

    def when_failed(self, notify: Callable[[StartupError], None]) -> None:
        """Call `notify` when the server has died more often than it may."""
        if self.managed is not None:
            self.managed.when_failed(notify)

    def terminate(self) -> None:
        """Stop the server if this program has started it."""
        if self.managed is not None:
            self.managed.stop()
        self.client.close()
        hooks_client: Any = self.hooks_client
        if hooks_client is not None:
            hooks_client.close()


def _completed(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer with the keys that some servers leave out and clients rely on."""
    answer.setdefault("object", "chat.completion")
    choices = answer.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and isinstance(choice.get("message"), dict):
            choice["message"].setdefault("content", None)
    return answer
