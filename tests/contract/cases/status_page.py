"""The status page: there when it is turned on, the same on every front, also without a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.contract.cases import models
from tests.contract.cases.case import ANYTHING, Case, get
from tests.contract.serving import Served

from datarobot_drum import __version__
from datarobot_drum.drum.root_predictors import status_page
from datarobot_drum.drum.root_predictors.routes import STATUS_PAGE_FILES

ON = models.LINEAR.with_environment(DRUM_ENABLE_UI="true")
PREFIXED = ON.with_environment(URL_PREFIX="/pre/fix")
FAILED = Served("no_model", error_server=True).with_environment(DRUM_ENABLE_UI="true")
PATHS = ("/ui/", "/ui", "/ui/facts", *(f"/ui/{name}" for name in STATUS_PAGE_FILES))
POLICY = {"Content-Security-Policy": status_page.POLICY}


def _file(name: str) -> bytes:
    return Path(status_page.FILES, name).read_bytes()


def _type(name: str) -> str:
    return status_page.CONTENT_TYPES[Path(name).suffix]


def _off() -> Iterator[Case]:
    for path in PATHS:
        yield get(f"status page off: {path}", models.LINEAR, path, status=404, says="no such path")


def _page(id: str, served: Served, prefix: str = "") -> Iterator[Case]:
    html, headers = _file("index.html"), {**POLICY, "Cache-Control": "no-cache"}
    elsewhere = html.replace(b'<base href="./">', b'<base href="ui/">')
    for path, body in (("/ui/", html), ("/ui", elsewhere)):
        yield get(
            f"status page {id}: {path}",
            served,
            prefix + path,
            body_is=body,
            content_type=_type("index.html"),
            reply_headers=headers,
        )
    for name in STATUS_PAGE_FILES:
        yield get(
            f"status page {id}: {name}",
            served,
            f"{prefix}/ui/{name}",
            body_is=_file(name),
            content_type=_type(name),
            reply_headers=headers,
        )


def _facts() -> Iterator[Case]:
    model = {
        "name": "model",
        "codeDir": ANYTHING,
        "targetType": "regression",
        "language": "python",
        "predictor": None,
        "modelMetadata": None,
        "canChat": False,
    }
    server = {
        "state": "ready",
        "message": None,
        "type": ANYTHING,
        "version": __version__,
        "python": ANYTHING,
        "started": ANYTHING,
        "now": ANYTHING,
    }
    keys = {"model": model, "server": server, "metrics": True, "errors": ANYTHING}
    headers = {**POLICY, "Cache-Control": "no-store"}
    yield get("status page: facts", ON, "/ui/facts", keys=keys, reply_headers=headers)
    failed = {**server, "state": "failed", "message": ANYTHING}
    keys = {"model": {"name": "model", "targetType": "regression"}, "server": failed}
    yield get("status page: facts without a model", FAILED, "/ui/facts", keys=keys)


def _methods() -> Iterator[Case]:
    for path in ("/ui/", "/ui/status.js", "/ui/facts"):
        yield get(f"status page: HEAD {path}", ON, path, method="HEAD", reply_headers=POLICY)
        for method in ("POST", "PUT", "DELETE"):
            id = f"status page: {method} {path}"
            yield get(
                id,
                ON,
                path,
                method=method,
                status=405,
                reply_headers={"Allow": "GET, HEAD, OPTIONS"},
            )
    for path in ("/ui/index.html", "/ui/../ui/", "/ui/x.js", "/ui/status.js/x", "/ui//status.js"):
        yield get(f"status page: {path} is not there", ON, path, status=404, says="no such path")


CASES = (
    *_off(),
    *_page("on", ON),
    *_page("below a prefix", PREFIXED, "/pre/fix"),
    *_page("without a model", FAILED),
    *_facts(),
    *_methods(),
)
