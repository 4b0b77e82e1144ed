"""The one pipeline: states, errors as replies, and calls from fronts with threads."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from datarobot_drum.drum.errors import LoadHookError, NotReady, Overloaded, StartupError
from datarobot_drum.drum.exceptions import CustomHTTPError
from datarobot_drum.drum.observability.context import request_id
from datarobot_drum.drum.observability.record import Record, current_record
from datarobot_drum.drum.predictors import Model
from datarobot_drum.drum.root_predictors.bodies import SpooledUploadFile
from datarobot_drum.drum.root_predictors.execution import Limits
from datarobot_drum.drum.root_predictors.predict_mixin import RequestAdapter
from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
from datarobot_drum.drum.root_predictors.probes import State
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.routes import ROUTES, STATUS_PAGE, Route

Serve = Callable[..., PredictionServer]
Ask = Callable[..., Reply]
Load = Callable[..., Model]

BY_NAME = {route.name: route for route in ROUTES}
SCORE = """
import pandas as pd
def score(data, model, **kwargs):
    return pd.DataFrame({"Predictions": [1.0] * len(data)})
"""
RAISING = """
import asyncio, sys
from datarobot_drum import CustomHTTPError
from datarobot_drum.drum.exceptions import BaseCustomUserError
class Bare(BaseCustomUserError):
    status_code = 451
    def __init__(self, text):
        self.args = (text,)
def score(data, model):
    raise {}
"""
#: a model that stays in its hook until the test lets it go
HELD = """
import threading
import pandas as pd
ENTERED, RELEASE = threading.Semaphore(0), threading.Event()
def score(data, model):
    ENTERED.release()
    assert RELEASE.wait(30)
    return pd.DataFrame({"Predictions": [1.0] * len(data)})
"""


def predict_request(body: SpooledUploadFile | None = None) -> RequestAdapter:
    return RequestAdapter("POST", "/predict/", body=body or SpooledUploadFile.of(b"a\n1\n"))


def message(reply: Reply) -> str:
    return str(json.loads(reply.body)["message"])


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        ("CustomHTTPError('teapot', 418)", 418, "teapot"),
        ("CustomHTTPError()", 400, "User's HTTP error in custom model"),
        ("CustomHTTPError(['a'], '404')", 404, "['a']"),
        ("CustomHTTPError('x', 204)", 500, "x"),
        ("CustomHTTPError('x', float('inf'))", 500, "x"),
        ("Bare('not ours')", 451, "not ours"),
    ],
)
def test_user_error_of_a_hook_chooses_its_status(
    error: str, status: int, text: str, serve: Serve, ask: Ask
) -> None:
    reply = ask(serve(RAISING.format(error)), "predict", b"a\n1\n")
    assert (reply.status, json.loads(reply.body)) == (status, {"message": text})
    assert reply.headers == (("X-Drum-User-Http-Error", "true"),)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("ValueError('no')", "Model 'score' hook failed to make predictions. Exception: "),
        ("SystemExit(3)", "Model 'score' hook failed. Exception: SystemExit(3)"),
        ("SystemExit('bye')", "Model 'score' hook failed. Exception: SystemExit('bye')"),
        ("asyncio.CancelledError()", "Model 'score' hook failed. Exception: CancelledError()"),
        ("KeyboardInterrupt()", "Model 'score' hook failed. Exception: KeyboardInterrupt()"),
    ],
)
def test_anything_a_hook_raises_is_a_500(error: str, text: str, serve: Serve, ask: Ask) -> None:
    reply = ask(serve(RAISING.format(error)), "predict", b"a\n1\n")
    assert reply.status == 500
    assert message(reply).startswith(f"ERROR: {text}")


def test_hook_that_ends_the_process_does_not_end_the_next_request(
    run: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    server = run(RAISING.format("asyncio.CancelledError()"))
    for _ in range(2):
        assert server.call(BY_NAME["predict"], predict_request()).status == 500


def test_hook_s_traceback_is_logged_and_not_sent(
    serve: Serve, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    reply = ask(serve(RAISING.format("ValueError('no')")), "predict", b"a\n1\n")
    assert b"Traceback" not in reply.body
    assert 'raise ValueError("no")' in caplog.text or "raise ValueError('no')" in caplog.text


class Broken(PredictionServer):
    """A server with bugs in its operations."""

    def livez(self, request: RequestAdapter) -> Reply:
        raise RuntimeError("top secret")

    def readyz(self, request: RequestAdapter) -> Reply:
        raise KeyboardInterrupt


def test_internal_error_shows_the_request_id_and_not_its_text(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    token = request_id.set("r-17")
    reply = ask(Broken(), "livez")
    request_id.reset(token)
    assert (reply.status, message(reply)) == (500, "ERROR: internal error; request id r-17")
    assert "top secret" in caplog.text


def test_interrupt_outside_model_code_goes_through(ask: Ask) -> None:
    with pytest.raises(KeyboardInterrupt):
        ask(Broken(), "readyz")


def test_probes_are_the_paths_that_platforms_ask_again_and_again() -> None:
    probes = PredictionServer(prefix="/p").probe_paths()
    assert {"/p/", "/p", "/p/livez", "/p/health/", "/p/ping"} <= probes
    assert probes & {"/p/predict/", "/p/info/", "/p/stats/", "/livez"} == set()


def test_request_is_closed_whatever_happens(serve: Serve) -> None:
    for code in (SCORE, RAISING.format("SystemExit(1)")):
        body = SpooledUploadFile(spool_bytes=1)
        body.feed(b"a\n1\n")
        body.spill()
        serve(code).handle(BY_NAME["predict"], predict_request(body))
        assert not body.is_on_disk


@pytest.mark.parametrize("name", ["predict", "chat", "info", "ping", "capabilities"])
def test_routes_wait_for_the_model_with_503(name: str, ask: Ask) -> None:
    reply = ask(PredictionServer(), name)
    assert reply.status == 503
    assert reply.headers == (("Retry-After", "5"),)


@pytest.mark.parametrize(
    "route",
    [r for r in ROUTES if r.name not in {"livez", "readyz", "startupz", "metrics"} | STATUS_PAGE],
    ids=lambda r: r.name,
)
def test_every_other_route_of_a_failed_worker_is_513(route: Route, ask: Ask) -> None:
    server = PredictionServer()
    server.fail(ValueError())
    reply = ask(server, route.name)
    assert (reply.status, message(reply)) == (513, "ERROR: ValueError()")


def test_draining_server_still_answers_what_came_before(serve: Serve, ask: Ask) -> None:
    server = serve(SCORE)
    server.drain()
    assert server.state is State.DRAINING
    assert ask(server, "predict", b"a\n1\n").status == 200


class Interrupted(BaseException):
    """Not even an Exception."""


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (StartupError("no artifact"), "no artifact"),
        (CustomHTTPError("at load time", 418), "at load time"),
        (SystemExit(3), "SystemExit(3)"),
        (Interrupted(), "Interrupted()"),
    ],
)
def test_load_keeps_the_error_of_a_model_that_failed(error: BaseException, text: str) -> None:
    server = PredictionServer()

    def build() -> Any:
        raise error

    server.load(build)
    assert server.state is State.FAILED
    assert str(server.failure) == text
    server.terminate()


HOOK = ValueError("of model code")
FROM_HOOK = LoadHookError("the hook failed")
FROM_HOOK.__cause__ = HOOK
BARE = LoadHookError("the hook failed")
TYPO = StartupError("no artifact")


@pytest.mark.parametrize(
    ("error", "asked", "shown"),
    [
        (TYPO, False, None),
        (TYPO, True, TYPO),
        (FROM_HOOK, False, HOOK),
        (FROM_HOOK, True, FROM_HOOK),
        (BARE, False, BARE),
        (HOOK, False, HOOK),
    ],
)
def test_load_logs_the_traceback_of_model_code(
    error: Exception, asked: bool, shown: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    def build() -> Any:
        raise error

    PredictionServer(show_stacktrace=asked).load(build)
    (record,) = caplog.records
    assert str(error) in record.getMessage()
    assert (record.exc_info and record.exc_info[1]) is shown


def test_load_wakes_all_who_wait(load: Load) -> None:
    server, rings = PredictionServer(), list[str]()
    server.when_loaded(lambda: rings.append("waited"))
    assert not server.wait_until_loaded(0)
    server.load(lambda: (load(SCORE), None))
    server.when_loaded(lambda: rings.append("came later"))
    assert rings == ["waited", "came later"]
    assert server.wait_until_loaded(0)


@pytest.mark.parametrize("drained", [True, False])
def test_terminate_lets_go_of_the_model(drained: bool, serve: Serve) -> None:
    server = serve(SCORE)
    if drained:
        server.drain()
    server.terminate()


def test_terminate_without_a_model_does_nothing() -> None:
    PredictionServer().terminate()


def test_call_runs_predictions_on_the_prediction_thread(run: Serve) -> None:
    names = "import threading\n" + SCORE.replace("1.0", "threading.current_thread().name")
    server = run(names, "textgeneration")
    reply = server.call(BY_NAME["predict"], predict_request())
    assert json.loads(reply.body) == {"predictions": ["prediction-0"]}


def test_call_answers_probes_while_a_prediction_runs(run: Serve) -> None:
    server = run(HELD)
    custom = sys.modules["custom"]
    replies: list[Reply] = []
    front = threading.Thread(
        target=lambda: replies.append(server.call(BY_NAME["predict"], predict_request()))
    )
    front.start()
    assert custom.ENTERED.acquire(timeout=30)
    for name in ("livez", "info", "stats"):
        assert server.call(BY_NAME[name], RequestAdapter()).status == 200
    custom.RELEASE.set()
    front.join(30)
    assert replies[0].status == 200


def test_call_waits_for_the_model_only_so_long() -> None:
    server = PredictionServer(queue_timeout=0.001)
    assert server.call(BY_NAME["info"], RequestAdapter()).status == 503


def spilled() -> SpooledUploadFile:
    body = SpooledUploadFile(spool_bytes=1)
    body.feed(b"a\n1\n")
    body.spill()
    return body


def test_call_that_waits_too_long_for_its_turn_is_503(run: Serve) -> None:
    server = run(HELD)
    custom = sys.modules["custom"]
    ready = threading.Event()
    job = server.submit(BY_NAME["predict"], predict_request(), ready.set)
    assert custom.ENTERED.acquire(timeout=30)
    server.limits = Limits(0.001, 0)
    reply = server.call(BY_NAME["predict"], predict_request(spilled()))
    assert (reply.status, dict(reply.headers)) == (503, {"Retry-After": "10"})
    assert server.gate.figures()["running"] == 1
    custom.RELEASE.set()
    assert ready.wait(30)
    assert job.reply is not None


def test_call_that_runs_too_long_is_504(run: Serve) -> None:
    server = run(HELD, request_timeout=0.3, queue_timeout=0)
    custom = sys.modules["custom"]
    reply = server.call(BY_NAME["predict"], predict_request())
    assert (reply.status, message(reply)) == (
        504,
        "ERROR: the model did not answer within 0.3 s (DRUM_CLIENT_REQUEST_TIMEOUT)",
    )
    assert server.gate.figures()["running"] == 1
    custom.RELEASE.set()


def test_call_is_refused_when_the_line_is_full(run: Serve) -> None:
    server = run(HELD, queue_depth=0)
    custom = sys.modules["custom"]
    server.submit(BY_NAME["predict"], predict_request(), lambda: None)
    assert custom.ENTERED.acquire(timeout=30)
    reply = server.call(BY_NAME["predict"], predict_request())
    assert (reply.status, dict(reply.headers)) == (503, {"Retry-After": "5"})
    custom.RELEASE.set()


def test_call_of_a_failed_worker_needs_no_thread() -> None:
    server, body = PredictionServer(), spilled()
    server.fail(StartupError("no artifact"))
    reply = server.call(BY_NAME["predict"], predict_request(body))
    assert (reply.status, message(reply)) == (513, "ERROR: no artifact")
    assert not body.is_on_disk


def test_request_that_never_runs_gives_its_file_back(serve: Serve) -> None:
    server, body, refused = serve(SCORE, queue_depth=0), spilled(), spilled()
    job = server.submit(BY_NAME["predict"], predict_request(body), lambda: None)
    with pytest.raises(Overloaded):
        server.submit(BY_NAME["predict"], predict_request(refused), lambda: None)
    job.abandon()
    assert not body.is_on_disk
    assert not refused.is_on_disk


def test_routes_get_the_prefix_and_the_bare_prefix_is_ping() -> None:
    paths = {path: route.name for path, route in PredictionServer(prefix="/a/b").routes()}
    assert paths["/a/b/predict"] == paths["/a/b/predict/"] == "predict"
    assert paths["/a/b/"] == paths["/a/b"] == "ping"
    assert all(path.startswith("/a/b") for path in paths)


def test_routes_without_prefix_are_those_of_the_table() -> None:
    paths = [path for path, _ in PredictionServer().routes()]
    shown = [route for route in ROUTES if route.name not in STATUS_PAGE]
    assert paths == [path for route in shown for path in route.all_paths]


class Registered:
    """Stands where a framework's router does, and keeps what it is told."""

    def __init__(self) -> None:
        self.paths: dict[str, tuple[Any, dict[str, Any]]] = {}

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Any = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        options |= {"endpoint": endpoint, "automatic": provide_automatic_options}
        self.paths[rule] = (view_func, options)

    def add_route(
        self,
        path: str,
        endpoint: Any,
        methods: Any = None,
        name: str | None = None,
        include_in_schema: bool = True,
    ) -> None:
        options = {"methods": methods, "name": name, "schema": include_in_schema}
        self.paths[path] = (endpoint, options)


def test_flask_gets_each_path_with_its_methods() -> None:
    blueprint = Registered()
    PredictionServer()._materialize_flask(blueprint, lambda route: route.operation)
    options = {"methods": ("GET", "HEAD", "OPTIONS"), "endpoint": "ping", "automatic": False}
    assert blueprint.paths["/ping"] == ("ping", options)
    assert blueprint.paths["/nim/<path:subpath>"][0] == "plan_forward"


def test_fastapi_gets_each_path_for_all_methods() -> None:
    router = Registered()
    PredictionServer()._materialize_fastapi(router, lambda route: route.operation)
    assert router.paths["/"] == ("ping", {"methods": None, "name": "ping", "schema": False})
    assert router.paths["/nim/{subpath:path}"][0] == "plan_forward"


def test_options_tell_the_methods() -> None:
    reply = PredictionServer().options(BY_NAME["info"])
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers == (("Allow", "GET, HEAD, OPTIONS"),)


def test_unmatched_path_is_404() -> None:
    reply = PredictionServer().unmatched(404)
    assert (reply.status, reply.headers) == (404, ())
    assert message(reply).startswith("ERROR: no such path")


def test_unmatched_method_is_405_with_the_allowed_ones() -> None:
    reply = PredictionServer().unmatched(405, {"POST", "OPTIONS"})
    assert (reply.status, reply.headers) == (405, (("Allow", "OPTIONS, POST"),))
    assert message(reply) == "ERROR: method not allowed; use one of OPTIONS, POST"


def test_server_that_expires_lets_nobody_wait_for_the_model(load: Load) -> None:
    server, told = PredictionServer(), list[str]()
    server.when_loaded(lambda: told.append("before"))
    server.expire()
    server.when_loaded(lambda: told.append("after"))
    assert told == ["before", "after"]
    assert not server.wait_until_loaded(30)
    server.load(lambda: (load(SCORE), None))
    assert server.state is State.DRAINING


def test_call_after_the_end_is_503_and_reaches_no_model(run: Serve) -> None:
    server = run(HELD)
    custom = sys.modules["custom"]
    custom.RELEASE.set()
    server.expire()
    reply = server.call(BY_NAME["predict"], predict_request())
    assert (reply.status, "shutting down" in message(reply)) == (503, True)
    with pytest.raises(NotReady, match="shutting down"):
        server.check_line()
    assert not custom.ENTERED.acquire(blocking=False)


def test_call_that_expires_is_503(run: Serve) -> None:
    server = run(HELD)
    custom = sys.modules["custom"]

    def expire() -> None:
        assert custom.ENTERED.acquire(timeout=30)
        server.expire()

    expiring = threading.Thread(target=expire)
    expiring.start()
    reply = server.call(BY_NAME["predict"], predict_request())
    custom.RELEASE.set()
    expiring.join(30)
    assert reply.status == 503
    assert message(reply).startswith("ERROR: the server is shutting down")


@pytest.fixture
def record() -> Iterator[Record]:
    record = Record("id", "POST", "/invocations")
    token = current_record.set(record)
    yield record
    current_record.reset(token)


def test_record_gets_the_route_that_its_request_took(record: Record) -> None:
    PredictionServer().note(ROUTES[0])
    assert (record.route, record.operation) == ("/predict/", "predict")


def test_route_is_taken_where_nobody_keeps_records() -> None:
    PredictionServer().note(ROUTES[0])
    assert current_record.get() is None
