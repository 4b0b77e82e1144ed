"""`URL_PREFIX`: every route below it, nothing outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.contract.cases import models
from tests.contract.cases.case import Case, get, post

ROW = b"a,b\n1,2\n"
OK = {"message": "OK"}


def _prefixed(setting: str, prefix: str) -> Iterator[Case]:
    served = replace(models.LINEAR, environment=(("URL_PREFIX", setting),))
    for path in ("", "/", "/ping", "/ping/", "/health", "/health/"):
        yield get(f"prefix {setting}: GET {path or 'itself'}", served, prefix + path, json=OK)
    for path in ("/predict/", "/predict", "/invocations"):
        id = f"prefix {setting}: POST {path}"
        yield post(id, served, prefix + path, ROW, json={"predictions": [22.0]})
    yield get(f"prefix {setting}: HEAD", served, f"{prefix}/ping/", method="HEAD")
    yield get(
        f"prefix {setting}: OPTIONS",
        served,
        f"{prefix}/predict/",
        method="OPTIONS",
        reply_headers={"Allow": "POST, OPTIONS"},
    )
    yield get(
        f"prefix {setting}: wrong method",
        served,
        f"{prefix}/predict/",
        status=405,
        reply_headers={"Allow": "POST, OPTIONS"},
    )
    for path in ("/", "/ping/", "/livez", f"{prefix}x/ping/", f"{prefix}{prefix}/ping/"):
        yield get(
            f"prefix {setting}: {path} is not there", served, path, status=404, says="no such path"
        )


CASES = (
    *_prefixed("/pre/fix", "/pre/fix"),
    *_prefixed("/pre/", "/pre"),
    *_prefixed("bare", "/bare"),
)
