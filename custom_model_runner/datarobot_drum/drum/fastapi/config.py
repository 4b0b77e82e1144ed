"""Settings under the names of Uvicorn's arguments; it renames, it decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from datarobot_drum.drum.observability.record import Recorder
from datarobot_drum.drum.root_predictors import cors
from datarobot_drum.drum.root_predictors.edge import Edge
from datarobot_drum.drum.settings import Settings


@dataclass(frozen=True)
class UvicornConfig:
    """How Uvicorn runs inside a worker; ranges and defaults are those of `Settings`."""

    settings: Settings

    @classmethod
    def from_runtime_params(cls, environ: Mapping[str, str] | None = None) -> UvicornConfig:
        """Read from runtime parameters and the environment.

        UsageError where a value makes a start impossible; a bad tuning value is replaced by its
        default, of which the launcher has warned.
        """
        return cls(Settings.load(environ, warn=False))

    def edge(self, recorder: Recorder) -> Edge:
        """The limits of Uvicorn's protocol that are ours."""
        settings = self.settings
        return Edge(
            recorder,
            settings.header_timeout,
            settings.keep_alive,
            settings.request_timeout,
            settings.limit_concurrency,
            partial(cors.headers_for, settings),
        )

    def to_uvicorn_kwargs(self) -> dict[str, Any]:
        """Arguments of `uvicorn.Config`."""
        settings = self.settings
        return {
            "loop": settings.uvicorn_loop,
            "ws": "none",
            "lifespan": "on",
            "log_config": None,
            "access_log": False,
            # no header may tell a version
            "server_header": False,
            # counted by our server, which waits for a successor
            "limit_max_requests": None,
            "timeout_keep_alive": settings.keep_alive,
            "timeout_graceful_shutdown": settings.graceful_timeout,
            "backlog": settings.backlog,
            "limit_concurrency": settings.limit_concurrency or None,
            # the front applies the rule of trusted proxies, on every server in the same way
            "proxy_headers": False,
        }
