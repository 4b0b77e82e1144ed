"""The route table: every path that the server answers, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a route may wait for."""

    PROBE = "answered at once, whatever the state"
    STATUS = "waits until the model is loaded, never for a prediction"
    FIGURES = "answered at once; reads files of the kernel, so never on an event loop"
    MODEL = "runs model code on a prediction thread"
    FORWARD = "sent on by the front itself, to the inference server behind the model"


@dataclass(frozen=True)
class Route:
    """One operation and its paths, each answered with and without its last slash.

    `name` is the endpoint that server extensions know (`model_api.<name>` in Flask),
    `operation` the method of `PredictionServer` that answers it. A path that ends in
    `{subpath}` matches anything below it. `span` names the span of the operation, if it has one.
    """

    name: str
    methods: tuple[str, ...]
    paths: tuple[str, ...]
    operation: str
    kind: Kind
    doc: str
    span: str = ""

    @property
    def is_probe(self) -> bool:
        """Is it asked again and again by a platform, and so of no interest in traces?"""
        return self.kind is Kind.PROBE or self.name in ("ping", "metrics")

    @property
    def allowed(self) -> tuple[str, ...]:
        """The methods of the `Allow` header: HEAD comes with GET, OPTIONS with all."""
        head = ("HEAD",) if "GET" in self.methods else ()
        return (*self.methods, *head, "OPTIONS")

    @property
    def all_paths(self) -> tuple[str, ...]:
        """Each path in both spellings."""
        return tuple(dict.fromkeys(p for path in self.paths for p in _spellings(path)))


def _spellings(path: str) -> tuple[str, ...]:
    if path == "/" or path.endswith("{subpath}"):
        return (path,)
    return (path, path.rstrip("/") if path.endswith("/") else f"{path}/")


GET, POST = ("GET",), ("POST",)

#: what the status page is made of, besides its HTML
STATUS_PAGE_FILES = (
    *("status.css", "icon.svg", "status.js", "dom.js", "prometheus.js", "figures.js", "charts.js"),
    *("panels.js", "form.js", "answers.js"),
)
#: endpoints that are there only with DRUM_ENABLE_UI, and answer also when there is no model
STATUS_PAGE = frozenset({"ui", "ui_file", "ui_facts"})

ROUTES = (
    Route(
        "predict",
        POST,
        ("/predict/", "/predictions/", "/invocations"),
        "do_predict_structured",
        Kind.MODEL,
        "Structured predictions: a table in, one prediction a row out.",
        span="drum.invocations",
    ),
    Route(
        "transform",
        POST,
        ("/transform/",),
        "do_transform",
        Kind.MODEL,
        "A table in, as many changed rows out.",
        span="drum.transform",
    ),
    Route(
        "predict_unstructured",
        POST,
        ("/predictUnstructured/", "/predictionsUnstructured/"),
        "do_predict_unstructured",
        Kind.MODEL,
        "Data of any form, answered by the `score_unstructured` hook.",
        span="drum.predictUnstructured",
    ),
    Route(
        "chat",
        POST,
        ("/chat/completions", "/v1/chat/completions"),
        "do_chat",
        Kind.MODEL,
        "OpenAI chat, with streaming.",
        span="drum.chat.completions",
    ),
    Route(
        "get_supported_llm_models",
        GET,
        ("/models", "/v1/models"),
        "do_models",
        Kind.MODEL,
        "OpenAI model list.",
    ),
    Route("ping", GET, ("/", "/ping/"), "ping", Kind.STATUS, "Is the model there?"),
    Route("livez", GET, ("/livez",), "livez", Kind.PROBE, "Liveness: is the worker alive?"),
    Route("readyz", GET, ("/readyz",), "readyz", Kind.PROBE, "Readiness: may traffic come?"),
    Route("startupz", GET, ("/startupz",), "startupz", Kind.PROBE, "Has the model been loaded?"),
    Route(
        "health", GET, ("/health/",), "health", Kind.PROBE, "Is the model loaded? 503 until then."
    ),
    Route("info", GET, ("/info/",), "info", Kind.STATUS, "What model and server this is."),
    Route(
        "capabilities",
        GET,
        ("/capabilities/",),
        "capabilities",
        Kind.STATUS,
        "Payload formats and methods that the model offers.",
    ),
    Route("stats", GET, ("/stats/",), "stats", Kind.FIGURES, "Memory, timings and queue."),
    Route("ui", GET, ("/ui/",), "ui", Kind.PROBE, "Status page, with `DRUM_ENABLE_UI`."),
    Route(
        "ui_file",
        GET,
        tuple(f"/ui/{name}" for name in STATUS_PAGE_FILES),
        "ui_file",
        Kind.PROBE,
        "Scripts, style and icon of the status page.",
    ),
    Route(
        "ui_facts",
        GET,
        ("/ui/facts",),
        "ui_facts",
        Kind.FIGURES,
        "What the status page shows besides metrics: model, state, the last errors.",
    ),
    Route(
        "metrics",
        GET,
        ("/metrics",),
        "metrics",
        Kind.FIGURES,
        "Figures of all workers in the text format of Prometheus; 404 when they are off.",
    ),
    Route(
        "forward_request",
        ("GET", "POST", "PUT"),
        ("/directAccess/{subpath}", "/nim/{subpath}"),
        "plan_forward",
        Kind.FORWARD,
        "Direct access to the inference server of an OpenAI-type predictor.",
        span="drum.directAccess",
    ),
)
