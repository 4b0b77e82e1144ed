"""One Gunicorn worker around the Flask app."""

from __future__ import annotations

import os

from datarobot_drum.drum import worker
from datarobot_drum.drum.flask.middleware import WsgiApp
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.settings import ServeSpec, Settings


class WorkerCtx(worker.ServerCtx):
    """The lifecycle of a worker whose front has threads."""

    def __init__(
        self, app: WsgiApp, server: PredictionServer, spec: ServeSpec, settings: Settings
    ) -> None:
        super().__init__(server, spec, settings)
        self.app = app

    def begin(self) -> None:
        """Start loading the model on the prediction thread; returns at once."""
        worker.start(self, os._exit)

    def end(self) -> None:
        """Stop and clean up."""
        self.stop()
        self.cleanup()
