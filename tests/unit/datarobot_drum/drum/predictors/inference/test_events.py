"""Status events of a deployment: sent where they are wanted, and never in the way."""

from __future__ import annotations

import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest
from tests.operations.certificates import make_certificate
from tests.stand_ins.http_service import listening

from datarobot_drum.drum.predictors.inference import events
from datarobot_drum.drum.settings import InferenceSettings

PLATFORM = {"DATAROBOT_API_TOKEN": "secret", "MLOPS_DEPLOYMENT_ID": "d1"}


def wait_for(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_platform_is_told_the_stage(inference_server):
    endpoint = f"http://127.0.0.1:{inference_server.port}/api/v2/"
    report = events.reporter(InferenceSettings.load({"DATAROBOT_ENDPOINT": endpoint, **PLATFORM}))
    report(2)
    wait_for(lambda: inference_server.state.received)
    received = inference_server.last
    assert (received.method, received.target) == ("POST", "/api/v2/remoteEvents/")
    assert received.header("Authorization") == ["Bearer secret"]
    told = received.json()
    assert (told["title"], told["deploymentId"]) == ("Deployment stage 2 out of 3", "d1")


@pytest.mark.parametrize(("word", "is_told"), [("true", False), ("false", True)])
def test_certificate_of_the_platform_is_checked_unless_told_otherwise(
    word, is_told, tmp_path, caplog
):
    received = threading.Event()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(make_certificate(tmp_path))

    class Platform(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's name
            received.set()
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Nothing."""

    with listening(Platform, context) as address:
        environ = {"DATAROBOT_ENDPOINT": address, "verifySSL": word, **PLATFORM}
        events.reporter(InferenceSettings.load(environ))(1)
        wait_for(lambda: received.is_set() or "cannot report" in caplog.text)
        assert received.is_set() is is_told


def test_platform_that_does_not_listen_is_only_logged(free_port, caplog):
    endpoint = f"http://127.0.0.1:{free_port}"
    report = events.reporter(InferenceSettings.load({"DATAROBOT_ENDPOINT": endpoint, **PLATFORM}))
    report(1)
    wait_for(lambda: "cannot report the stage of the deployment: ConnectError" in caplog.text)
    assert "secret" not in caplog.text


@pytest.mark.parametrize("missing", ["DATAROBOT_ENDPOINT", *PLATFORM])
def test_nothing_is_sent_unless_everything_is_set(missing, inference_server):
    place = {"DATAROBOT_ENDPOINT": f"http://127.0.0.1:{inference_server.port}"}
    environ = {name: value for name, value in {**place, **PLATFORM}.items() if name != missing}
    events.reporter(InferenceSettings.load(environ))(1)
    time.sleep(0.1)
    assert inference_server.state.received == []
