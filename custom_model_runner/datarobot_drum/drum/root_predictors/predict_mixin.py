"""What the model routes mean: from a request's bytes to the model and back."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from email.message import Message
from email.utils import collapse_rfc2231_value
from functools import cached_property
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum import payloads
from datarobot_drum.drum.enum import TargetType
from datarobot_drum.drum.errors import (
    DrumError,
    InvalidInput,
    MalformedRequest,
    UnsupportedMediaType,
)
from datarobot_drum.drum.observability import gen_ai, spans
from datarobot_drum.drum.root_predictors import chat, streams
from datarobot_drum.drum.root_predictors.bodies import SpooledUploadFile
from datarobot_drum.drum.root_predictors.multipart import FormReader, UploadedFile
from datarobot_drum.drum.root_predictors.replies import EVENT_STREAM, JSON, Reply
from datarobot_drum.drum.root_predictors.values import Headers, QueryParameters
from datarobot_drum.drum.upstream import UpstreamStream

if TYPE_CHECKING:
    from datarobot_drum.drum.payloads import DeploymentConfig
    from datarobot_drum.drum.platform_services.reporting import Reports
    from datarobot_drum.drum.predictors import Model

MISSING_DATA = (
    "Samples should be provided as:   - a csv or mtx under `X` form-data param key.  - binary data"
)
#: clients of the reference compare this body as it is
MALFORMED_JSON = "The browser (or proxy) sent a request that this server could not understand."
MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"
FORM_FILES = ("X", "X.colnames", "y")


class RequestAdapter:
    """One view of a request, whatever the framework; its body is complete, in memory or on disk.

    `pairs` are the headers as they came; `content_type` is repeated among the arguments because
    every request needs it and most need no other header.
    """

    def __init__(
        self,
        method: str = "GET",
        path: str = "/",
        query_string: str = "",
        pairs: Iterable[tuple[str, str]] = (),
        content_type: str = "",
        body: SpooledUploadFile | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.content_type = content_type
        self.body = body if body is not None else SpooledUploadFile()
        self._pairs = pairs

    @cached_property
    def headers(self) -> Headers:
        """All request headers."""
        return Headers(self._pairs)

    @cached_property
    def query(self) -> QueryParameters:
        """The query parameters."""
        return QueryParameters(self.query_string)

    @cached_property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case; empty if there is none."""
        return self.content_type.partition(";")[0].strip().lower()

    @cached_property
    def sent_media_type(self) -> str:
        """The content type without its parameters, as the client wrote it."""
        return self.content_type.partition(";")[0].strip()

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The content type's parameters, names in lower case, quotes removed."""
        if ";" not in self.content_type:
            return {}
        message = Message()
        message["content-type"] = self.content_type
        found = message.get_params(failobj=[])[1:]
        return {name.lower(): collapse_rfc2231_value(value) for name, value in found if value}

    @cached_property
    def charset(self) -> str | None:
        """The charset parameter of the content type."""
        return self.parameters.get("charset")

    @cached_property
    def form(self) -> FormReader:
        """The reader of a multipart body; UnsupportedFormat without a boundary."""
        boundary = self.parameters.get("boundary", "")
        if not boundary:
            raise payloads.UnsupportedFormat(self.sent_media_type)
        form = FormReader(boundary.encode("latin-1", "replace"), FORM_FILES)
        try:
            form.read(self.body.open())
        except DrumError:
            form.close()
            raise
        return form

    def file(self, name: str) -> UploadedFile | None:
        """The first file part of that name in a multipart body."""
        return self.form.files.get(name) if self.media_type == MULTIPART else None

    def json(self) -> Any:
        """The body as JSON, if its media type says so.

        Raises UnsupportedMediaType for another type and MalformedRequest for broken JSON.
        """
        kind = self.media_type
        if kind != JSON and not (kind.startswith("application/") and kind.endswith("+json")):
            raise UnsupportedMediaType(
                "the request's Content-Type must be application/json; "
                f"{self.sent_media_type or 'none'} was sent"
            )
        try:
            return json.loads(self.body.bytes())
        except (ValueError, RecursionError) as error:
            raise BrokenJson(MALFORMED_JSON) from error

    def check_encoding(self) -> None:
        """Refuse a compressed body, which nothing here unpacks."""
        encoding = self.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in ("", "identity"):
            raise UnsupportedMediaType(
                f"content encoding {encoding[:40]!r} is not supported; send the body uncompressed"
            )

    def close(self) -> None:
        """Drop the body and its parts."""
        if "form" in self.__dict__:
            self.form.close()
        self.body.close()


class BrokenJson(MalformedRequest):
    """JSON that is none; its answer has the key `error` and not `message`, as clients know it."""


class PredictMixin:
    """The operations of the model routes; the host sets `model` and `deployment`."""

    model: Model
    deployment: DeploymentConfig | None
    reports: Reports

    def do_predict_structured(self, request: RequestAdapter) -> Reply:
        """A table in, one prediction a row out."""
        self._check_route_predict()
        payload = self._table(request)
        clock = self.reports.begin(payload)
        predictions = self.model.predict(payload)
        self.reports.predicted(predictions, payload, clock)
        if self.deployment is not None:
            return Reply(
                body=payloads.platform_json(predictions, self.deployment, self.model.rules)
            )
        return Reply(
            body=payloads.predictions_json(predictions.frame, predictions.extra, self.model.rules)
        )

    def _check_route_predict(self) -> None:
        target = self.model.target.type
        if target is TargetType.TRANSFORM:
            raise InvalidInput(
                "This model has target type 'transform', use the /transform/ endpoint."
            )
        if target is TargetType.UNSTRUCTURED:
            raise InvalidInput(
                "This model has target type 'unstructured', use the /predictUnstructured/ or "
                "/predictionsUnstructured/ endpoint."
            )

    def _table(self, request: RequestAdapter) -> payloads.Payload:
        """The table of a request: file part `X` of a form, else the body itself."""
        request.check_encoding()
        upload = request.file("X")
        if upload is not None:
            names = request.file("X.colnames")
            return _upload(upload, _column_names(names))
        if not request.body.size or request.media_type == MULTIPART:
            raise InvalidInput(MISSING_DATA)
        if request.media_type == URLENCODED and not self.model.reads_raw_input:
            raise InvalidInput(MISSING_DATA)
        body = request.body
        return payloads.Payload(
            body.open() if body.is_on_disk else body.bytes(),
            media_type=request.media_type or None,
            raw_content_type=request.sent_media_type,
            charset=request.charset,
            parameters=request.parameters,
            from_request=True,
        )

    def do_transform(self, request: RequestAdapter) -> Reply:
        """A table in, as many changed rows out, as a form (and `y` as it came)."""
        target = self.model.target.type
        if target is TargetType.UNSTRUCTURED:
            raise InvalidInput(
                f"This model has target type {target}, use the /predictUnstructured/ endpoint."
            )
        if target is not TargetType.TRANSFORM:
            raise InvalidInput(f"This model has target type {target}, use the /predict/ endpoint.")
        payload = self._table(request)
        upload = request.file("y")
        has_y = upload is not None and upload.body.size
        y = payloads.read_table(_upload(upload, None)) if upload is not None and has_y else None
        frame = self.model.transform(payload, y)
        body, content_type = payloads.transform_multipart(frame, y, uuid.uuid4().hex)
        return Reply(body=body, content_type=content_type)

    def do_predict_unstructured(self, request: RequestAdapter) -> Reply:
        """Whatever came in goes to the hook; what it returns goes out."""
        target = self.model.target.type
        if not self.model.answers_unstructured:
            raise InvalidInput(
                f"This model has target type {target}, "
                "use either /predict/ or /predictions/ endpoint."
            )
        request.check_encoding()
        reply = self.model.predict_unstructured(
            request.body.bytes(),
            request.sent_media_type or None,
            request.charset,
            request.query,
            dict(request.headers),
            **self.reports.hook_keywords,
        )
        return Reply(body=reply.encoded(), content_type=reply.content_type, headers=reply.headers)

    def do_chat(self, request: RequestAdapter) -> Reply:
        """An OpenAI chat request: a completion, or chunks as server-sent events."""
        request.check_encoding()
        params = request.json()
        if not isinstance(params, dict):
            raise MalformedRequest('the body must be a JSON object, such as {"messages": [...]}')
        spans.set_attributes(lambda: gen_ai.request_attributes(params))
        association_id = params.get(chat.ASSOCIATION_ID)
        if association_id is None or association_id == "":
            association_id = str(uuid.uuid4())

        interrupt: Callable[[], None] | None = None

        def answer() -> dict[str, Any] | Iterator[Any]:
            nonlocal interrupt
            response = self.model.chat(params, request.headers, association_id=association_id)
            if isinstance(response, UpstreamStream):
                interrupt = response.interrupt
            completion = chat.as_completion(response, association_id)
            if completion is not None:
                return completion
            return chat.as_chunks(response, association_id)

        found = self.reports.chat(params, association_id, answer)
        if isinstance(found, dict):
            spans.set_attributes(lambda: gen_ai.response_attributes(found))
            return Reply(body=payloads.status_json(found))
        return Reply(
            content_type=EVENT_STREAM,
            headers=(("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")),
            stream=spans.streamed(spans.CHAT_STREAM, streams.events(found, chat.chunk_text)),
            interrupt=interrupt,
        )

    def do_models(self, request: RequestAdapter) -> Reply:
        """The models that OpenAI clients may name."""
        return Reply(body=payloads.status_json({"object": "list", "data": self.model.llm_models()}))


def _upload(upload: UploadedFile, column_names: list[str] | None) -> payloads.Payload:
    body = upload.body
    return payloads.Payload(
        body.open() if body.is_on_disk else body.bytes(),
        media_type=payloads.media_type_for_upload(upload.filename),
        column_names=column_names,
        from_request=True,
    )


def _column_names(upload: UploadedFile | None) -> list[str] | None:
    return None if upload is None else payloads.column_names(upload.body.bytes())
