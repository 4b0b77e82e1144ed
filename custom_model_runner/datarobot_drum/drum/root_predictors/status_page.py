"""The status page at `/ui/`: its files, and the facts that its script asks for.

The page reads figures from `/metrics` itself; what is told here is what metrics cannot carry.
"""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datarobot_drum import __version__
from datarobot_drum.drum.observability.masking import masked
from datarobot_drum.drum.observability.recent_errors import RecentErrors, shared_or_own
from datarobot_drum.drum.payloads import status_json
from datarobot_drum.drum.root_predictors.probes import ProbesMixin, State
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.routes import ROUTES, STATUS_PAGE, STATUS_PAGE_FILES, Kind

if TYPE_CHECKING:
    import os

    from datarobot_drum.drum.observability.record import Recorder
    from datarobot_drum.drum.root_predictors.predict_mixin import RequestAdapter
    from datarobot_drum.drum.settings import ServeSpec, Settings

FILES = Path(__file__).with_name("ui")
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: Nothing but our own files, no script in the page itself, and nobody may frame it: what a model
#: says is hostile text.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = (("Content-Security-Policy", POLICY), ("Cache-Control", "no-cache"))
FACTS_HEADERS = (("Content-Security-Policy", POLICY), ("Cache-Control", "no-store"))

#: in the page: where its relative addresses start
BASE = b'<base href="./">'
#: the same for `/ui`, which is answered as `/ui/` is and never redirected
BASE_WITHOUT_SLASH = b'<base href="ui/">'

PREDICTION_PATHS = [
    route.paths[0] for route in ROUTES if route.kind is Kind.MODEL and "POST" in route.methods
]


@dataclass(frozen=True)
class StatusPage:
    """What is known when a worker starts: the model's folder, the settings, the page's files."""

    name: str
    target_type: str | None
    has_metrics: bool
    errors: RecentErrors
    files: dict[str, bytes]

    @classmethod
    def of(
        cls, spec: ServeSpec, settings: Settings, folder: os.PathLike[str] = FILES
    ) -> StatusPage:
        """The page of a server; it reads the files, so not on an event loop."""
        names = ("index.html", *STATUS_PAGE_FILES)
        return cls(
            name=Path(spec.model.code_dir).name,
            target_type=spec.model.target_type,
            has_metrics=settings.metrics_enabled,
            errors=shared_or_own(),
            files={name: Path(folder, name).read_bytes() for name in names},
        )


class StatusPageMixin(ProbesMixin):
    """The operations of the status page; they are registered only when there is one."""

    page: StatusPage
    recorder: Recorder
    max_body: int
    #: routes that are not there
    hidden: frozenset[str] = STATUS_PAGE

    def show_status_page(self, page: StatusPage) -> None:
        """Serve `/ui/` and keep errors for it; called before the routes are registered."""
        self.page = page
        self.hidden = frozenset()
        self.recorder.add(page.errors.note)

    def ui(self, request: RequestAdapter) -> Reply:
        """The page."""
        html = self.page.files["index.html"]
        if not request.path.endswith("/"):
            html = html.replace(BASE, BASE_WITHOUT_SLASH)
        return Reply(body=html, content_type=CONTENT_TYPES[".html"], headers=PAGE_HEADERS)

    def ui_file(self, request: RequestAdapter) -> Reply:
        """A script, the style or the icon."""
        name = request.path.rstrip("/").rpartition("/")[2]
        return Reply(
            body=self.page.files[name],
            content_type=CONTENT_TYPES[Path(name).suffix],
            headers=PAGE_HEADERS,
        )

    def ui_facts(self, request: RequestAdapter) -> Reply:
        """Model, versions, state and the last errors of all workers."""
        facts = {
            "model": self._model_facts(),
            "server": self._server_facts(),
            "predictionPaths": PREDICTION_PATHS,
            "metrics": self.page.has_metrics,
            "maxBody": self.max_body,
            "errors": self.page.errors.entries(),
        }
        return Reply(body=status_json(facts), headers=FACTS_HEADERS)

    def _model_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"name": self.page.name, "targetType": self.page.target_type}
        if self.state in (State.READY, State.DRAINING):
            facts |= self.model.info()
            facts["canChat"] = self.model.can_chat
        return facts

    def _server_facts(self) -> dict[str, Any]:
        return {
            "state": self.state.value,
            "message": None if self.failure is None else masked(str(self.failure)),
            "type": self.server_name,
            "version": __version__,
            "python": platform.python_version(),
            "started": self.page.errors.started,
            "now": time.time(),
        }
