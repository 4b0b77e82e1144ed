"""Makes the WSGI app of a prediction server."""

from __future__ import annotations

import flask

from datarobot_drum.drum import worker
from datarobot_drum.drum.flask import extensions
from datarobot_drum.drum.flask.middleware import WsgiApp, setup_middlewares
from datarobot_drum.drum.flask.routes import register_routes
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.settings import ServeSpec, Settings


def create_flask_app() -> flask.Flask:
    """A bare Flask app: no static files, no redirects."""
    app = flask.Flask("datarobot_drum", static_folder=None)
    # two slashes are another path, not a redirect that makes a client send its upload twice
    app.url_map.merge_slashes = False
    return app


def get_flask_app(server: PredictionServer, app: flask.Flask | None = None) -> flask.Flask:
    """`app` with all routes of `server`."""
    app = app or create_flask_app()
    register_routes(app, server)
    return app


def create_wsgi_app(server: PredictionServer, spec: ServeSpec, settings: Settings) -> WsgiApp:
    """What a WSGI server calls: the app with the folder's `custom_flask.py`, wrapped.

    When the model could not be loaded a second app without the extension answers: clients of the
    reference expect 513 there whatever the extension does.
    """
    app = get_flask_app(server)
    code_dir = spec.model.code_dir
    if settings.ignore_server_extensions or not extensions.exists(code_dir):
        return setup_middlewares(server, settings, app, app)
    extended = get_flask_app(server)
    worker.load_extension(server, spec, lambda: extensions.load(extended, code_dir))
    return setup_middlewares(server, settings, extended, app)
