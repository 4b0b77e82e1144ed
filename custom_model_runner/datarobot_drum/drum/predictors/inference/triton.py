"""A model on a Triton server: unstructured requests are sent on to it as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlsplit

from datarobot_drum.drum.errors import NotSupported, StartupError
from datarobot_drum.drum.model_folder.detect import files_below
from datarobot_drum.drum.payloads import OutputRules, Payload, Predictions
from datarobot_drum.drum.predictors.inference.client import UpstreamClient
from datarobot_drum.drum.predictors.model import Model
from datarobot_drum.drum.predictors.request import LoadRequest
from datarobot_drum.drum.predictors.unstructured import UnstructuredReply
from datarobot_drum.drum.settings import InferenceSettings
from datarobot_drum.drum.upstream import Upstream

if TYPE_CHECKING:
    from datarobot_drum.drum.model_folder import ModelMetadata, Target

CONFIG_FILE = "config.pbtxt"
HEALTH = "/v2/health/ready"
#: Length of the JSON before binary tensors (binary data extension of the V2 protocol).
HEADER_LENGTH = "Inference-Header-Content-Length"
#: Those that Triton ships; older files name them in `platform`.
BACKENDS = frozenset(
    {
        *("dali", "fil", "onnxruntime", "openvino", "python", "pytorch", "tensorflow"),
        *("tensorrt", "tensorrtllm", "vllm"),
        *("onnxruntime_onnx", "pytorch_libtorch", "tensorflow_graphdef"),
        *("tensorflow_savedmodel", "tensorrt_plan"),
    }
)
#: Between two neighbours only, or this server's own business.
NOT_SENT_ON = frozenset(
    {
        *("connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate"),
        *("proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding"),
        "upgrade",
        # the client reads the answer itself
        "accept-encoding",
    }
)


@dataclass
class TritonModel(Model):
    """One model of a Triton server."""

    payload_formats: ClassVar[Mapping[str, None]] = {}

    target: Target
    language: str
    rules: OutputRules
    code_dir: str
    metadata: ModelMetadata | None
    place: Upstream
    client: UpstreamClient
    model_name: str

    @property
    def upstream(self) -> Upstream:
        """The Triton server."""
        return self.place

    def predict(self, payload: Payload) -> Predictions:
        """Triton wants tensors, not tables."""
        raise NotSupported("Predict structured is not supported")

    def predict_table(self, table: Any, payload: Payload | None) -> Predictions:
        """Triton wants tensors, not tables."""
        raise NotSupported("Predict structured is not supported")

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
        """Send the request on; an error of Triton keeps its status."""
        body = data.encode() if isinstance(data, str) else data
        response = self.client.open(
            "POST",
            f"/v2/models/{quote(self.model_name, safe='')}/infer",
            content=body,
            # the bytes that the client has sent
            headers=[
                (name.encode("latin-1"), value.encode("latin-1"))
                for name, value in _request_headers(body, headers or {}).items()
            ],
        )
        told = response.headers.get(HEADER_LENGTH)
        return UnstructuredReply(
            self.client.read(response),
            response.headers.get("Content-Type", "application/octet-stream"),
            None,
            () if told is None else ((HEADER_LENGTH, told),),
        )

    def terminate(self) -> None:
        """Let go of the connections."""
        self.client.close()


def _request_headers(body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    kept = {
        name: value
        for name, value in headers.items()
        if name.lower() not in NOT_SENT_ON and name.lower() not in named
    }
    length = header_length(body)
    if length is not None and HEADER_LENGTH.lower() not in {name.lower() for name in kept}:
        kept[HEADER_LENGTH] = str(length)
    return kept


def header_length(body: bytes) -> int | None:
    """Bytes of the JSON object that a body begins with; None when nothing follows it.

    White space after it may belong to either side: what the inputs tell of their sizes decides.
    """
    # one character a byte, so that places in the text are places in the body
    text = body.decode("latin-1")
    try:
        told, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if not text[end:].strip():
        return None
    spaces = len(text) - end - _binary_size(told)
    return end + spaces if spaces > 0 and not text[end : end + spaces].strip() else end


def _binary_size(told: Any) -> int:
    """The sizes of all binary inputs; a body with none of them has only one way to be read."""
    try:
        size = sum(tensor["parameters"]["binary_data_size"] for tensor in told["inputs"])
    except (KeyError, TypeError):
        return 0
    return size if isinstance(size, int) else 0


def load(request: LoadRequest) -> TritonModel:
    """The model that the folder's `config.pbtxt` names."""
    settings, spec = InferenceSettings.load(), request.spec
    host = urlsplit(spec.triton_host)
    address = f"{host.scheme}://{_shown(host.hostname or '')}:{spec.triton_http_port}"
    upstream = Upstream("Triton", address, HEALTH, settings.direct_access_timeout)
    timeout = min(settings.client_timeout, request.settings.request_timeout or float("inf"))
    return TritonModel(
        target=request.target,
        language=request.language,
        rules=request.rules(),
        code_dir=request.code_dir,
        metadata=request.metadata,
        place=upstream,
        client=UpstreamClient(upstream, timeout),
        model_name=find_model_name(request.code_dir),
    )


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def find_model_name(code_dir: str) -> str:
    """The only model of the folder that is no ensemble; StartupError when there is not just one."""
    paths = sorted(path for path in files_below(code_dir) if path.name == CONFIG_FILE)
    configs = [(path, read_config(path)) for path in paths]
    models = [(path, found) for path, found in configs if found.get("platform") != "ensemble"]
    if len(models) != 1:
        raise StartupError(
            f"the model folder must have one {CONFIG_FILE} that is no ensemble; it has "
            f"{len(models)}: {[str(path) for path, _ in models]}"
        )
    path, found = models[0]
    backend = found.get("backend") or found.get("platform", "")
    if backend not in BACKENDS:
        raise StartupError(
            f"{path}: backend {backend!r} is not known; use one of {', '.join(sorted(BACKENDS))}"
        )
    return found.get("name") or path.parent.name


def read_config(path: Path) -> dict[str, str]:
    """The text fields at the top of a file in protobuf's text format."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"cannot read {path}: {error}") from error
    return dict(_top_fields(text))


_TOKEN = re.compile(
    r'#[^\n]*|(?P<name>\w+)\s*:\s*(?P<value>"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\')'
    r'|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|(?P<open>[{\[])|(?P<close>[}\]])'
)


def _top_fields(text: str) -> list[tuple[str, str]]:
    depth, fields = 0, []
    for token in _TOKEN.finditer(text):
        if token["open"]:
            depth += 1
        elif token["close"]:
            depth -= 1
        elif token["name"] and depth == 0:
            fields.append((token["name"], token["value"][1:-1]))
    return fields
