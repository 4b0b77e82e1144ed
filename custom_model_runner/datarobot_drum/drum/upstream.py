"""The inference server behind a model, as the fronts and the core need to know it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Upstream:
    """Where an inference server is, how to ask for its health, and how patient to be with it.

    `address` is a scheme, host and port without a path. `timeout` is for direct access: seconds
    without a byte.
    """

    name: str
    address: str
    health_path: str
    timeout: float = 3600


class UpstreamStream(ABC):
    """The pieces of an answer that an inference server is still making."""

    @abstractmethod
    def __iter__(self) -> Iterator[Any]:
        """The pieces, each as soon as it is there; the connection is closed at the end."""

    @abstractmethod
    def interrupt(self) -> None:
        """Cut the connection, so that the thread that waits for a piece waits no more.

        Called from another thread when the client has left.
        """
