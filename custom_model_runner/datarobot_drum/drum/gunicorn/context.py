"""One Gunicorn worker around the Flask app."""

from __future__ import annotations

import os

from datarobot_drum.drum import worker
from datarobot_drum.drum.flask.app import create_wsgi_app
from datarobot_drum.drum.flask.middleware import WsgiApp
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.settings import ServeSpec, Settings


class WorkerCtx(worker.ServerCtx):
    """The lifecycle of a worker whose front has threads."""

    def __init__(self, server: PredictionServer, spec: ServeSpec, settings: Settings) -> None:
        super().__init__(server, spec, settings)
        #: its extension can ask for this context, so it is made later
        self.app: WsgiApp = worker.exit_on_failure(lambda: create_wsgi_app(server, spec, settings))

    def begin(self) -> None:
        """Start loading the model on the prediction thread; returns at once."""
        worker.start(self, os._exit)

    def end(self) -> None:
        """Stop and clean up."""
        self.stop()
        self.cleanup()
