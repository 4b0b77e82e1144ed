"""How many requests one client may send, in sliding windows as the library `limits` counts them.

Each client has two windows: a minute, for the average, and a second, for what comes at once.
Without a shared storage, which is one of that library, each worker counts for itself.
"""

from __future__ import annotations

import ipaddress
import logging
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

from datarobot_drum.drum.errors import RateLimited, UsageError
from datarobot_drum.drum.observability.record import current_record
from datarobot_drum.drum.platform_services.extras import REDIS
from datarobot_drum.drum.root_predictors.bounded_windows import BoundedWindows
from datarobot_drum.drum.root_predictors.routes import Kind, Route

if TYPE_CHECKING:
    from datarobot_drum.drum.root_predictors.prediction_server import PredictionServer
    from datarobot_drum.drum.root_predictors.replies import Reply
    from datarobot_drum.drum.settings import Settings

logger = logging.getLogger("drum.server")

#: Seconds that a shared storage has for an answer, and how long it is left alone after a failure.
STORAGE_TIMEOUT = 0.25
STORAGE_PAUSE = 5.0
#: Bits of an IPv6 address that name a customer: the rest of it is his own to choose.
IPV6_PREFIX = 64

SCHEMES = ("redis", "rediss", "redis+unix")
#: Answered whatever a client has sent before.
EXEMPT = frozenset({"ping", "health", "metrics"})


class Windows(Protocol):
    """What is needed of a storage of `limits`."""

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int) -> bool:
        """Count a request unless it is one too many."""

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Count and remaining life of the window before, and of the running one."""


def check(settings: Settings) -> None:
    """Stop the start when the storage cannot be used: UsageError, or StartupError to install it."""
    if not settings.rate_limit_enabled:
        return
    if settings.rate_limit_storage is None:
        logger.info("rate limits: each worker counts for itself, DRUM_RATE_LIMIT_STORAGE is unset")
        return
    _open_storage(settings.rate_limit_storage)


def from_settings(settings: Settings) -> RateLimit | None:
    """The limit that is set, or None."""
    if not settings.rate_limit_enabled:
        return None
    return RateLimit(
        settings.rate_limit_rpm, settings.rate_limit_burst, settings.rate_limit_storage
    )


def refused(server: PredictionServer, limit: RateLimit, path: str) -> Reply | None:
    """The answer to the running request when its client has sent too many, or None."""
    route = server.route_at(path)
    record = current_record.get()
    if record is None or (route is not None and is_exempt(route)):
        return None
    error = limit.refusal(record.client)
    if error is None:
        return None
    if route is not None:
        server.note(route)
    return server.error_reply(error)


def is_exempt(route: Route) -> bool:
    """Probes and metrics never count: a busy client must not make a worker look ill."""
    return route.kind is Kind.PROBE or route.name in EXEMPT


class RateLimit:
    """At most `per_minute` requests of a client in a minute and `burst` in a second.

    `storage` is the address of a Redis that all workers share; it may hold a password and is
    never logged.
    """

    def __init__(
        self,
        per_minute: int,
        burst: int,
        storage: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # the short one first: what it refuses does not count for the long one
        self._limits = ((1, burst), (60, per_minute))
        self._clock = clock
        self.is_shared = storage is not None
        self._windows: Windows = _open_storage(storage) if storage else BoundedWindows(clock)
        self._pause_until = 0.0

    def refusal(self, client: str) -> RateLimited | None:
        """Count a request of `client`; the error when it is one too many.

        It may wait for a shared storage, so not on an event loop then. When the storage fails all
        requests are let through: a limit is no reason to be down.
        """
        if not self.is_shared:
            return self._count(client)
        if self._clock() < self._pause_until:
            return None
        try:
            refused = self._count(client)
        except Exception as error:
            # each storage has errors of its own; the text may hold its address
            self._pause_until = self._clock() + STORAGE_PAUSE
            logger.error(
                "the storage of rate limits fails (%s): requests are not limited until it is back",
                type(error).__name__,
            )
            return None
        if self._pause_until:
            self._pause_until = 0.0
            logger.warning("the storage of rate limits is back")
        return refused

    def _count(self, client: str) -> RateLimited | None:
        name = _name(client)
        for seconds, limit in self._limits:
            key = f"drum/{seconds}/{name}"
            if not self._windows.acquire_sliding_window_entry(key, limit, seconds):
                window = self._windows.get_sliding_window(key, seconds)
                return RateLimited(max(1, math.ceil(_seconds_left(limit, seconds, *window))))
        return None


def _seconds_left(
    limit: int, seconds: int, previous: int, fading: float, current: int, life: float
) -> float:
    """Until the weighted count leaves room for one more; a window lives twice its length."""
    room = limit - 1 - current
    if room >= 0 and previous:
        return fading - room * seconds / previous
    return life - max(limit - 1, 0) * seconds / max(current, 1)


def _name(client: str) -> str:
    if ":" not in client:
        return client
    return str(ipaddress.ip_network((client.partition("%")[0], IPV6_PREFIX), strict=False))


def _open_storage(address: str) -> Windows:
    """The storage, which is connected to when it is first used."""
    advice = (
        "DRUM_RATE_LIMIT_STORAGE has a bad value (not shown): use redis://host:port, or another "
        f"address that begins with one of {', '.join(SCHEMES)}"
    )
    if address.partition("://")[0] not in SCHEMES:
        raise UsageError(advice)
    REDIS.load()
    from limits.storage import storage_from_string

    try:
        storage = storage_from_string(
            address, socket_timeout=STORAGE_TIMEOUT, socket_connect_timeout=STORAGE_TIMEOUT
        )
    except ValueError:
        raise UsageError(advice) from None
    return cast(Windows, storage)
