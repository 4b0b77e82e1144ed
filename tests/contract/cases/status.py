"""Status routes: ping, health, probes, info, capabilities, stats, direct access."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.contract.cases import models
from tests.contract.cases.case import ANYTHING, Case, get, post
from tests.contract.serving import Served

from datarobot_drum import __version__

LINEAR = models.LINEAR
FORMATS = {"csv": None, "mtx": None}
DIRECT_ACCESS = {"message": "This endpoint is only supported by OpenAI based predictors"}
NO_TIMES = dict.fromkeys(("min", "max", "avg", "total"))


def _info(id: str, served: Served, **facts: Any) -> Case:
    common = {
        "codeDir": ANYTHING,
        "targetType": served.target,
        "language": "python",
        "drumVersion": __version__,
        "drumServer": ANYTHING,
        "modelMetadata": None,
        "predictor": None,
    }
    return get(f"info of {id}", served, "/info/", json={**common, **facts})


def _capabilities() -> Iterator[Case]:
    offers = {
        "regression": (LINEAR, False),
        "unstructured": (models.UNSTRUCTURED, False),
        "transform": (models.TRANSFORM, False),
        "text": (models.TEXT, True),
        "text without chat": (models.TEXT_PLAIN, False),
        "agent": (models.AGENT, True),
        "regression that chats": (models.CHAT_ON_REGRESSION, True),
    }
    for name, (served, chats) in offers.items():
        expected = {"supported_methods": {"chat": chats}, "supported_payload_formats": FORMATS}
        yield get(f"capabilities of {name}", served, "/capabilities/", json=expected)


def _direct_access() -> Iterator[Case]:
    for method in ("GET", "POST", "PUT", "HEAD"):
        for path in ("/directAccess/v1/models", "/nim/a/"):
            id = f"{method} {path} on an ordinary model"
            yield get(id, LINEAR, path, method=method, status=400, json=DIRECT_ACCESS)


BINARY_LABELS = {"positiveClassLabel": "spam", "negativeClassLabel": "ham"}
FROM_FILE = {
    "name": "told by the file",
    "type": "inference",
    "targetType": "binary",
    "inferenceModel": {
        "targetName": "bought",
        "positiveClassLabel": "yes",
        "negativeClassLabel": "no",
    },
}

CASES = (
    get(
        "ping bytes",
        LINEAR,
        "/ping/",
        body_is=b'{"message":"OK"}\n',
        content_type="application/json",
    ),
    get("health bytes", LINEAR, "/health/", body_is=b'{"message":"OK"}\n'),
    get("livez", LINEAR, "/livez", json={"status": "alive"}),
    get("readyz", LINEAR, "/readyz", json={"status": "ready"}),
    get("startupz", LINEAR, "/startupz", json={"status": "ready"}),
    _info("regression", LINEAR),
    _info("binary", models.BINARY, **BINARY_LABELS),
    _info("multiclass", models.MULTICLASS, classLabels=["c d", "e", "7"]),
    _info("multilabel", models.MULTILABEL, classLabels=["x", "y", "z"]),
    _info("an estimator", models.ESTIMATOR, predictor="scikit-learn"),
    _info("a transformer", models.TRANSFORM),
    _info("unstructured", models.UNSTRUCTURED),
    _info("geopoint", models.GEOPOINT),
    _info("text", models.TEXT),
    _info("a transform estimator", models.SPARSE_TRANSFORM, predictor="scikit-learn"),
    _info(
        "a folder with metadata",
        models.METADATA,
        targetType="binary",
        positiveClassLabel="yes",
        negativeClassLabel="no",
        modelMetadata=FROM_FILE,
    ),
    *_capabilities(),
    get(
        "stats",
        LINEAR,
        "/stats/",
        keys={
            "drum_info": [
                {"pid": ANYTHING, "cmdline": ANYTHING, "mem": ANYTHING, "cpu_percent": ANYTHING}
            ],
            "mem_info": dict.fromkeys(
                (
                    *("total", "avail", "free", "drum_rss"),
                    *("container_limit", "container_used", "container_max_used"),
                ),
                ANYTHING,
            ),
            "time_info": {"run_predictor_total": NO_TIMES},
        },
    ),
    get(
        "metrics",
        LINEAR,
        "/metrics",
        content_type="text/plain; version=0.0.4; charset=utf-8",
    ),
    get(
        "metrics that are off",
        LINEAR.with_environment(DRUM_METRICS_ENABLED="false"),
        "/metrics",
        status=404,
        says="metrics are off",
    ),
    *_direct_access(),
    post(
        "direct access ignores its body",
        LINEAR,
        "/nim/a",
        b"{}",
        "application/json",
        status=400,
        json=DIRECT_ACCESS,
    ),
)
