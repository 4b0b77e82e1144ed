"""The prediction server: routes in, replies out. Fronts carry bytes to it and from it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.errors import (
    DrumError,
    HookError,
    NotReady,
    StartupError,
    UpstreamCrashed,
)
from datarobot_drum.drum.exceptions import BaseCustomUserError
from datarobot_drum.drum.observability import spans
from datarobot_drum.drum.observability.record import Recorder, current_record
from datarobot_drum.drum.observability.stats import Timings
from datarobot_drum.drum.platform_services.reporting import NO_REPORTS, Reports
from datarobot_drum.drum.resource_monitor import ResourceMonitor
from datarobot_drum.drum.root_predictors.admission import ProductionBackpressure
from datarobot_drum.drum.root_predictors.clients import (
    WATCH_AFTER,
    Client,
    ClientLeft,
    wait_long,
)
from datarobot_drum.drum.root_predictors.deadlines import Deadline, current_deadline
from datarobot_drum.drum.root_predictors.docs_pages import DOCS_ROUTES, DocsMixin
from datarobot_drum.drum.root_predictors.error_replies import ErrorRepliesMixin, raised_by
from datarobot_drum.drum.root_predictors.execution import Job, Limits, PredictionThreads
from datarobot_drum.drum.root_predictors.fronts import FastAPIRoutes, FlaskRoutes
from datarobot_drum.drum.root_predictors.predict_mixin import (
    PredictMixin,
    RequestAdapter,
)
from datarobot_drum.drum.root_predictors.probes import LOADED, STUCK, Figures, State
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.routes import ROUTES, STATUS_PAGE, Kind, Route
from datarobot_drum.drum.root_predictors.status_page import StatusPageMixin
from datarobot_drum.drum.root_predictors.stdout_flusher import StdoutFlusher
from datarobot_drum.drum.root_predictors.stuck import StuckWatch
from datarobot_drum.drum.root_predictors.upstream_mixin import UpstreamMixin

if TYPE_CHECKING:
    from datarobot_drum.drum.payloads import DeploymentConfig
    from datarobot_drum.drum.predictors import Model

logger = logging.getLogger("drum.server")

#: answered even when the model could not be loaded
PROBES = frozenset({"livez", "readyz", "startupz", "metrics"}) | STATUS_PAGE

#: What clients are told whose time is over.
EXPIRED = "the server is shutting down and the request did not end in time; try another one"


class PredictionServer(PredictMixin, UpstreamMixin, DocsMixin, StatusPageMixin, ErrorRepliesMixin):
    """One worker's model, state and operations.

    It is built before the model is loaded, so that fronts can register routes and answer probes
    meanwhile; `load` makes it ready, or failed.
    """

    def __init__(
        self,
        *,
        server_name: str = "flask",
        executor_workers: int = 1,
        queue_depth: int = 100,
        queue_timeout: float = 30,
        request_timeout: float = 600,
        show_perf: bool = False,
        show_stacktrace: bool = False,
        prefix: str = "",
        max_body: int = 0,
        max_forwards: int = 100,
        max_async: int = 0,
        max_bytes_held: int = 0,
        workers: int = 1,
        server_spans: bool = False,
        enable_docs: bool = False,
    ) -> None:
        self.table = (*ROUTES, *DOCS_ROUTES) if enable_docs else ROUTES
        self.server_name = server_name
        self.show_perf = show_perf
        self.show_stacktrace = show_stacktrace
        self.prefix = prefix
        self.max_body = max_body
        self.workers = workers
        self.started = time.monotonic()
        self.server_spans = server_spans
        self.state = State.STARTING
        self.failure: StartupError | None = None
        self.deployment: DeploymentConfig | None = None
        self.reports: Reports = NO_REPORTS
        self.recorder, self.flusher = Recorder(), StdoutFlusher()
        self.figures: Figures | None = None
        self.timings = Timings()
        self.monitor = ResourceMonitor()
        self.gate = ProductionBackpressure(
            executor_workers, queue_depth, max_bytes=max_bytes_held, max_age=queue_timeout
        )
        self.threads = PredictionThreads(executor_workers, self.gate, max_async)
        self.forwards = ProductionBackpressure(max_forwards, 0)
        self.limits = Limits(queue_timeout, request_timeout)
        self.stuck = StuckWatch(
            self.gate, request_timeout, self._be_stuck, self.threads.silent_since
        )
        self._by_path: dict[str, Route] | None = None
        self._closers: list[Callable[[], None]] = []
        self._loaded = threading.Condition()
        self._expired = False
        self._when_loaded: list[Callable[[], None]] = []

    def load(self, build: Callable[[], tuple[Model, DeploymentConfig | None]]) -> None:
        """Run `build` and become ready; an error makes the state failed and is kept."""
        try:
            self.model, self.deployment = build()
            if self.model.is_async:
                self.threads.await_hooks()
        except BaseException as error:
            # model code may raise anything; a thread that dies here would leave no answer at all
            self.fail(error)
        else:
            self._become(State.DRAINING if self._expired else State.READY)

    def fail(self, error: BaseException) -> None:
        """There is no model and will be none: every route but `/livez` tells `error`."""
        logger.error("the model could not be loaded: %s", error, exc_info=self._shown(error))
        # whatever went wrong, clients see status 513
        text = str(error) if isinstance(error, Exception) else repr(error)
        kind = type(error) if isinstance(error, UpstreamCrashed) else StartupError
        self.failure = kind(text or repr(error))
        self._become(State.FAILED)

    def _shown(self, error: BaseException) -> BaseException | None:
        """The traceback of model code always, that of an operator's typo only when asked for."""
        if self.show_stacktrace:
            return error
        if isinstance(error, HookError):
            return error.__cause__ or error
        return None if isinstance(error, DrumError) else error

    def drain(self) -> None:
        """Tell probes that no new requests are wanted."""
        if self.state is State.READY:
            self.state = State.DRAINING

    def expire(self) -> None:
        """Answer what still waits or runs with 503, because this worker must end."""
        with self._loaded:
            self._expired = True
            waiting, self._when_loaded = self._when_loaded, []
            self._loaded.notify_all()
        for notify in waiting:
            notify()
        self.threads.expire(EXPIRED)

    def when_terminated(self, close: Callable[[], None]) -> None:
        """Call `close` when the server lets go of its model."""
        self._closers.append(close)

    def terminate(self) -> None:
        """Let go of the model and of what fronts hold because of it; send the waiting reports."""
        while self._closers:
            self._closers.pop()()
        self.reports.stop()
        if self.state in LOADED:
            self.model.terminate()

    @property
    def is_stuck(self) -> bool:
        """Does the model not return any more?"""
        return self.state is State.STUCK

    def _be_stuck(self) -> None:
        self.state = State.STUCK
        self.threads.expire(STUCK)

    def _become(self, state: State) -> None:
        with self._loaded:
            self.state = state
            waiting, self._when_loaded = self._when_loaded, []
            self._loaded.notify_all()
        for notify in waiting:
            notify()

    def wait_until_loaded(self, timeout: float) -> bool:
        """Block until loading has ended, well or badly."""
        with self._loaded:
            self._loaded.wait_for(lambda: self._expired or not self._is_loading, timeout)
            return not self._is_loading

    @property
    def _is_loading(self) -> bool:
        return self.state is State.STARTING

    def when_loaded(self, notify: Callable[[], None]) -> None:
        """Call `notify` when loading has ended; at once if it has."""
        with self._loaded:
            if self._is_loading and not self._expired:
                self._when_loaded.append(notify)
                return
        notify()

    def routes(self) -> Iterable[tuple[str, Route]]:
        """Every path with its prefix, and its route."""
        for route in self.table:
            if route.name not in self.hidden:
                for path in route.all_paths:
                    yield self.prefix + path, route
        if self.prefix:
            ping = next(route for route in ROUTES if "/" in route.paths)
            yield self.prefix, ping

    def probe_paths(self) -> frozenset[str]:
        """Paths that get no server span."""
        return frozenset(path for path, route in self.routes() if route.is_probe)

    def _materialize_flask(self, blueprint: FlaskRoutes, view: Callable[[Route], Any]) -> None:
        """Register every path on a Flask blueprint; `view` makes the function of a route."""
        views = {route.name: view(route) for route in self.table}
        for path, route in self.routes():
            flask_path = path.replace("{subpath}", "<path:subpath>")
            blueprint.add_url_rule(
                flask_path,
                endpoint=route.name,
                view_func=views[route.name],
                methods=route.allowed,
                provide_automatic_options=False,
            )

    def _materialize_fastapi(self, router: FastAPIRoutes, endpoint: Callable[[Route], Any]) -> None:
        """Register every path on a FastAPI router; `endpoint` makes the ASGI app of a route.

        It answers all methods itself, so that 405 and OPTIONS are the core's on every server.
        """
        for path, route in self.routes():
            asgi_path = path.replace("{subpath}", "{subpath:path}")
            router.add_route(
                asgi_path or "/", endpoint(route), name=route.name, include_in_schema=False
            )

    def handle(self, route: Route, request: RequestAdapter) -> Reply:
        """Answer one request; never raises. Model routes belong on a prediction thread."""
        if route.span and spans.are_on():
            with spans.Operation(route.span, request.headers):
                return self._handle(route, request)
        return self._handle(route, request)

    def _handle(self, route: Route, request: RequestAdapter) -> Reply:
        started = time.monotonic()
        try:
            if route.kind in (Kind.MODEL, Kind.STATUS) or self.failure is not None:
                self._check_state(route)
            request.body.check()
            operation: Callable[[RequestAdapter], Reply] = getattr(self, route.operation)
            reply = operation(request)
        except BaseCustomUserError as error:
            reply = self.user_error(error)
        except DrumError as error:
            raised = raised_by(error)
            if raised is not None:
                spans.failed(raised)
            reply = self.error_reply(error)
        except Exception as error:
            spans.failed(error)
            reply = self.internal_error()
        except BaseException as error:
            if route.kind is not Kind.MODEL:
                raise
            # SystemExit, CancelledError: model code must not end the server or its thread
            reply = self.broken_off(error)
        finally:
            request.close()
        if route.kind is Kind.MODEL:
            self.timings.add(time.monotonic() - started)
        return reply

    def _check_state(self, route: Route) -> None:
        if route.name in PROBES:
            return
        error = self.unavailable()
        if error is not None and self.state is not State.DRAINING:
            raise error

    def route_at(self, path: str) -> Route | None:
        """The route of a path that is in the table as it stands, without a part to fill in."""
        if self._by_path is None:
            self._by_path = dict(self.routes())
        return self._by_path.get(path)

    def note(self, route: Route) -> None:
        """Tell the record of the running request which route it took."""
        record = current_record.get()
        if record is not None:
            record.route, record.operation = route.paths[0], route.name

    def options(self, route: Route) -> Reply:
        """The answer to OPTIONS."""
        return Reply(
            content_type="text/html; charset=utf-8", headers=(("Allow", ", ".join(route.allowed)),)
        )

    def submit(self, route: Route, request: RequestAdapter, on_done: Callable[[], None]) -> Job:
        """Put a model route's request in line for a prediction thread.

        Raises Overloaded when the line is full, the error of a body that could not be taken, and
        StartupError when there is no model: then there may be no prediction thread either.
        """
        job = Job(
            lambda: self.handle(route, request), on_done, self.gate, self.limits, request.close
        )
        try:
            self._check_model()
            request.body.check()
            self.threads.submit(job)
        except DrumError:
            request.close()
            raise
        return job

    def _check_model(self) -> None:
        error = self.unavailable() if self.state in (State.FAILED, State.STUCK) else None
        if error is not None:
            raise error
        if self._expired:
            # nothing begins that nobody would wait for
            raise NotReady(EXPIRED)

    def check_line(self) -> None:
        """Raise what `submit` would raise now; for requests whose body is still to come."""
        self._check_model()
        self.gate.check()

    def new_deadline(self) -> Deadline:
        """The deadline of a request that begins now, for it and all that it calls."""
        deadline = Deadline(self.limits.deadline)
        current_deadline.set(deadline)
        return deadline

    def call(self, route: Route, request: RequestAdapter, client: Client | None = None) -> Reply:
        """Answer one request from a front with threads, which may block.

        Raises ClientLeft when `client` is there to tell that.
        """
        if route.kind is Kind.MODEL:
            return self._call_model(route, request, client)
        if route.kind is Kind.STATUS:
            self.wait_until_loaded(self.limits.queue_timeout)
        return self.handle(route, request)

    def _call_model(self, route: Route, request: RequestAdapter, client: Client | None) -> Reply:
        done = threading.Event()
        try:
            job = self.submit(route, request, done.set)
            if not done.wait(min(job.patience(), WATCH_AFTER)):
                wait_long(job, done, client)
            if job.reply is None:
                # tells why, if it was ended by this server
                job.overdue()
        except DrumError as error:
            return self.error_reply(error)
        if job.reply is None:
            raise ClientLeft
        return job.reply
