"""What the core needs of web frameworks, without knowing them."""

from __future__ import annotations

from typing import Any, Protocol


class FlaskRoutes(Protocol):
    """What is needed of a Flask blueprint."""

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Any = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """Register one path."""


class FastAPIRoutes(Protocol):
    """What is needed of a FastAPI router."""

    def add_route(
        self,
        path: str,
        endpoint: Any,
        methods: Any = None,
        name: str | None = None,
        include_in_schema: bool = True,
    ) -> None:
        """Register one path."""
