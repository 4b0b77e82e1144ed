"""The kinds of inference servers that speak OpenAI's API, each declared once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from datarobot_drum.drum.predictors.inference import commands
from datarobot_drum.drum.settings import InferenceSettings
from datarobot_drum.drum.upstream import Upstream

MakeCommand = Callable[[str, InferenceSettings], commands.Command]


@dataclass(frozen=True)
class ServerKind:
    """One kind of server: its name in messages, where it is, and how it is started.

    `hooks_get_client` tells whether the hooks of the model folder may call it themselves.
    """

    name: str
    locate: Callable[[InferenceSettings], tuple[str, int]]
    health_path: Callable[[InferenceSettings], str]
    command: MakeCommand
    hooks_get_client: bool

    def upstream(self, settings: InferenceSettings) -> Upstream:
        """Where a server of this kind is."""
        host, port = self.locate(settings)
        shown = f"[{host}]" if ":" in host else host
        return Upstream(
            self.name,
            f"http://{shown}:{port}",
            self.health_path(settings),
            settings.direct_access_timeout,
        )


def _nim_place(settings: InferenceSettings) -> tuple[str, int]:
    return settings.nim_host or settings.host, settings.nim_port or settings.port


KINDS: Mapping[str, ServerKind] = MappingProxyType(
    {
        "nim": ServerKind(
            name="NIM",
            locate=_nim_place,
            health_path=lambda settings: settings.nim_health_route,
            command=commands.nim,
            hooks_get_client=True,
        ),
        "vllm": ServerKind(
            name="vLLM",
            locate=lambda settings: (settings.host, settings.port),
            health_path=lambda settings: "/health",
            command=commands.vllm,
            hooks_get_client=False,
        ),
    }
)
