"""One Gunicorn worker around the Flask app."""

from __future__ import annotations

import os

from datarobot_drum.drum import worker
from datarobot_drum.drum.flask.middleware import WsgiApp
from datarobot_drum.drum.lifecycle import WorkerLifecycle
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.settings import ServeSpec, Settings


class WorkerCtx(WorkerLifecycle):
    """The lifecycle of a worker whose front has threads."""

    def __init__(
        self, app: WsgiApp, server: PredictionServer, spec: ServeSpec, settings: Settings
    ) -> None:
        super().__init__()
        self.app = app
        self.server = server
        self.spec = spec
        self.settings = settings

    def begin(self) -> None:
        """Start loading the model on the prediction thread; returns at once."""
        worker.start(self.server, self.spec, self.settings, self, os._exit)

    def end(self) -> None:
        """Stop and clean up."""
        self.server.drain()
        self.stop()
        self.cleanup()
