"""Headers and query parameters as hooks see them, the same on every server type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

BODY_HEADERS = ("Content-Type", "Content-Length")


class Headers(Mapping[str, str]):
    """Request headers: found in any case, iterated in Title-Case, repeated ones joined by a comma.

    Names with an underscore are left out, as WSGI servers do: they could be confused with names
    that have a dash.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for sent_name, value in pairs:
            name = sent_name.title()
            # WSGI cannot tell an empty Content-Type from a missing one
            if "_" not in name and (value or name not in BODY_HEADERS):
                self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        return ",".join(self._values[name.title()])

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a header; as `Mapping.get`, which raises an error inside for each miss."""
        values = self._values.get(name.title())
        return default if values is None else ",".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def getlist(self, name: str) -> list[str]:
        """All values of a repeated header."""
        return list(self._values.get(name.title(), []))


class QueryParameters(dict[str, str]):
    """Query parameters: a dict of first values that also knows the repeated ones."""

    def __init__(self, query_string: str) -> None:
        self._lists: dict[str, list[str]] = {}
        for name, value in parse_qsl(query_string, keep_blank_values=True):
            self._lists.setdefault(name, []).append(value)
        super().__init__({name: values[0] for name, values in self._lists.items()})

    def getlist(self, name: str) -> list[str]:
        """All values of `name`, in order."""
        return list(self._lists.get(name, []))

    def lists(self) -> Iterable[tuple[str, list[str]]]:
        """All names, each with all its values."""
        return self._lists.items()

    def to_dict(self, flat: bool = True) -> dict[str, Any]:
        """A plain dict of first values, or of lists."""
        return dict(self) if flat else {name: list(values) for name, values in self._lists.items()}
