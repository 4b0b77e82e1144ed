"""Checks and spellings of single settings; each raises ValueError with what is wrong."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Any

from datarobot_drum.drum.enum import ServerType

_PREFIX = re.compile(r"[A-Za-z0-9\-._~/]*")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-]+(:\d{1,5})?|https?://\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")


def lower(value: Any) -> Any:
    """Names are read in any case."""
    return value.strip().lower() if isinstance(value, str) else value


def server_type(value: Any) -> Any:
    """A server type by its name or alias."""
    return ServerType.parse(value) if isinstance(value, str) else value


def url_prefix(value: Any) -> Any:
    """The prefix with one slash before each part and none at the end, or empty text."""
    if not isinstance(value, str):
        return value
    parts = [part for part in value.strip().split("/") if part]
    if not _PREFIX.fullmatch(value.strip()) or "." in parts or ".." in parts:
        raise ValueError("only letters, digits and -._~/ may be in it")
    return "".join(f"/{part}" for part in parts)


def comma_list(value: Any) -> Any:
    """The items of a comma-separated text, each once."""
    if not isinstance(value, str):
        return value
    items = (item.strip() for item in value.split(","))
    return tuple(dict.fromkeys(item for item in items if item))


def origins(values: tuple[str, ...]) -> tuple[str, ...]:
    """Origins as browsers send them, or `*`."""
    values = tuple(value.lower() for value in values)
    bad = [value for value in values if value != "*" and not _ORIGIN.fullmatch(value)]
    if bad:
        raise ValueError(f"{bad[0]!r} is no origin; use * or a list like https://example.com")
    return values


def tokens(values: tuple[str, ...]) -> tuple[str, ...]:
    """Names of methods or headers, or `*`."""
    bad = [value for value in values if not _TOKEN.fullmatch(value)]
    if bad:
        raise ValueError(f"{bad[0]!r} is no name of a method or header")
    return values


def upper(values: tuple[str, ...]) -> tuple[str, ...]:
    """Methods are always in capitals."""
    return tuple(value.upper() for value in values)


def credential(value: Any) -> Any:
    """The token of a credential, or the text itself."""
    return value.get("apiToken") if isinstance(value, dict) else value


def readable_file(value: str) -> str:
    """The path of a file that this process may read."""
    if not os.path.isfile(value):
        raise ValueError(f"no such file: {value}")
    if not os.access(value, os.R_OK):
        raise ValueError(f"the file cannot be read: {value}")
    return value


def networks(values: tuple[str, ...]) -> tuple[str, ...]:
    """IP addresses and networks in CIDR form, or `*`."""
    for value in values:
        if value == "*":
            continue
        try:
            ipaddress.ip_network(value)
        except ValueError:
            raise ValueError(f"{value!r} is no IP address or network; use * or a list") from None
    return values
