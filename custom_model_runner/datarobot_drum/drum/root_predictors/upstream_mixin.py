"""What the server does with the inference server behind its model, if there is one.

The fronts ask here what to send, send it with their own clients, and bring back what came.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from datarobot_drum.drum.errors import MalformedRequest
from datarobot_drum.drum.observability import spans
from datarobot_drum.drum.root_predictors import forward
from datarobot_drum.drum.root_predictors.admission import ProductionBackpressure
from datarobot_drum.drum.root_predictors.probes import LOADED, ProbesMixin, State
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.routes import Route

if TYPE_CHECKING:
    from datarobot_drum.drum.upstream import Upstream

#: Routes that tell the health of the inference server instead of this server's own.
MIRRORS = frozenset({"ping", "health", "readyz"})
UNSUPPORTED = "This endpoint is only supported by OpenAI based predictors"
#: What a worker that is ready does as long as its inference server is not.
WAITING = "waiting"


class DirectAccessUnsupported(MalformedRequest):
    """There is no inference server behind this model."""

    prefix = ""


class UpstreamMixin(ProbesMixin):
    """Direct access and mirrored health; the host sets the attributes."""

    prefix: str
    forwards: ProductionBackpressure

    def _upstream(self) -> Upstream | None:
        return self.model.upstream if self.state in LOADED else None

    def plan_forward(self, request: forward.Incoming) -> forward.Plan:
        """What to send for a request of direct access.

        Raises DrumError when there is no model (yet), no inference server behind it, or nothing
        to send on.
        """
        error = self.unavailable()
        if error is not None and self.state is not State.DRAINING:
            raise error
        upstream = self._upstream()
        if upstream is None:
            spans.refused(UNSUPPORTED)
            raise DirectAccessUnsupported(UNSUPPORTED)
        plan = forward.plan(upstream, request, self.prefix)
        return replace(plan, headers=spans.propagated(plan.headers)) if spans.are_on() else plan

    def begin_forward(self) -> None:
        """Take a place for one forwarded request; Overloaded when there is none.

        `forwards.finish` gives it back.
        """
        self.forwards.admit()
        self.forwards.start()

    def health_check(self, route: Route) -> forward.Plan | None:
        """The question to ask the inference server before `route` is answered, if there is one."""
        if route.name not in MIRRORS or self.state is not State.READY:
            return None
        upstream = self._upstream()
        return None if upstream is None else forward.health_plan(upstream)

    def mirror(self, route: Route, health: forward.Health) -> Reply:
        """The answer of `route`, now that the inference server was asked."""
        if route.name != "readyz":
            return health.reply()
        facts = {} if health.is_good else {"status": WAITING, "message": health.text}
        return self._probe(health.is_good, **facts)
