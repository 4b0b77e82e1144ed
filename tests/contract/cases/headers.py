"""Headers of answers: request ids, CORS off and on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.contract.cases import models
from tests.contract.cases.case import Case, get, post

LINEAR = models.LINEAR
UNSEEN = ("Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Vary")
PAGE = "https://app.example"
PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
}
OPEN_TO_ONE = replace(
    LINEAR, environment=(("DRUM_CORS_ENABLED", "true"), ("DRUM_CORS_ORIGINS", PAGE))
)
OPEN_TO_ALL = replace(
    LINEAR, environment=(("DRUM_CORS_ENABLED", "true"), ("DRUM_CORS_ORIGINS", "*"))
)


def _request_ids() -> Iterator[Case]:
    sent = {"X-Request-Id": "id-1"}
    echoed = {"X_Request_ID": "id-1", "X-Request-ID": "id-1"}
    yield get("request id on 200", LINEAR, "/ping/", send=sent, reply_headers=echoed)
    yield get("request id on 404", LINEAR, "/nope", send=sent, status=404, reply_headers=echoed)
    yield get(
        "request id on 405",
        LINEAR,
        "/ping/",
        method="DELETE",
        send=sent,
        status=405,
        reply_headers=echoed,
    )
    options: dict = {"send": sent, "reply_headers": echoed}
    row = b"a,b\n1,2\n"
    yield post("request id on a prediction", LINEAR, "/predict/", row, **options)
    yield post("request id on 422", LINEAR, "/transform/", row, status=422, **options)
    failing = b"do,v\nfail,1\n"
    yield post("request id on 500", models.REGRESSION, "/predict/", failing, status=500, **options)
    yield post(
        "request id on unstructured", models.UNSTRUCTURED, "/predictUnstructured/", b"x", **options
    )
    yield get(
        "request id in any case",
        LINEAR,
        "/ping/",
        send={"x-request-ID": "id-1"},
        reply_headers=echoed,
    )


CREDENTIALS = OPEN_TO_ONE.with_environment(DRUM_CORS_CREDENTIALS="true")
SMALL = OPEN_TO_ONE.with_environment(DRUM_FASTAPI_MAX_UPLOAD_SIZE="10")
ALLOWED = {"Access-Control-Allow-Origin": PAGE, "Vary": "Origin"}
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


def _cors_of_errors() -> Iterator[Case]:
    sent = {"Origin": PAGE}
    row = b"a,b\n1,2\n"
    for status, served, path, body in (
        (422, OPEN_TO_ONE, "/transform/", row),
        (413, SMALL, "/predict/", row * 10),
    ):
        yield post(
            f"CORS on {status}",
            served,
            path,
            body,
            status=status,
            send=sent,
            reply_headers={**ALLOWED, **SAFE},
        )
    failing = replace(models.REGRESSION, environment=OPEN_TO_ONE.environment)
    yield post(
        "CORS on 500",
        failing,
        "/predict/",
        b"do,v\nfail,1\n",
        status=500,
        send=sent,
        reply_headers={**ALLOWED, **SAFE},
    )
    yield get(
        "CORS with credentials",
        CREDENTIALS,
        "/ping/",
        send=sent,
        reply_headers={**ALLOWED, "Access-Control-Allow-Credentials": "true"},
    )
    yield get(
        "preflight with credentials",
        CREDENTIALS,
        "/predict/",
        method="OPTIONS",
        send=PREFLIGHT,
        body_is=b"OK",
        reply_headers={
            **SAFE,
            "Access-Control-Allow-Origin": PAGE,
            "Access-Control-Allow-Credentials": "true",
            "Access-Control-Max-Age": "600",
            "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
        },
    )
    yield get(
        "preflight of another origin",
        OPEN_TO_ONE,
        "/predict/",
        method="OPTIONS",
        send={**PREFLIGHT, "Origin": "https://evil.example"},
        status=400,
        absent_headers=("Access-Control-Allow-Origin",),
    )
    yield get("Vary without an origin", OPEN_TO_ONE, "/ping/", reply_headers={"Vary": "Origin"})


def _security() -> Iterator[Case]:
    for method, path, status in (
        ("GET", "/ping/", 200),
        ("HEAD", "/ping/", 200),
        ("OPTIONS", "/predict/", 200),
        ("GET", "/nope", 404),
        ("DELETE", "/ping/", 405),
    ):
        yield get(
            f"security headers: {method} {path}",
            LINEAR,
            path,
            method=method,
            status=status,
            reply_headers=SAFE,
        )


CASES = (
    *_request_ids(),
    *_cors_of_errors(),
    *_security(),
    get("no CORS by default", LINEAR, "/ping/", send={"Origin": PAGE}, absent_headers=UNSEEN),
    get(
        "preflight is an ordinary OPTIONS by default",
        LINEAR,
        "/predict/",
        method="OPTIONS",
        send=PREFLIGHT,
        reply_headers={"Allow": "POST, OPTIONS"},
        absent_headers=UNSEEN,
    ),
    get(
        "CORS for a listed origin",
        OPEN_TO_ONE,
        "/ping/",
        send={"Origin": PAGE},
        reply_headers={"Access-Control-Allow-Origin": PAGE},
        absent_headers=("Access-Control-Allow-Credentials",),
    ),
    get(
        "CORS on an error",
        OPEN_TO_ONE,
        "/nope",
        send={"Origin": PAGE},
        status=404,
        reply_headers={"Access-Control-Allow-Origin": PAGE},
    ),
    get(
        "CORS for another origin",
        OPEN_TO_ONE,
        "/ping/",
        send={"Origin": "https://evil.example"},
        absent_headers=("Access-Control-Allow-Origin",),
    ),
    get(
        "CORS without an origin",
        OPEN_TO_ONE,
        "/ping/",
        absent_headers=("Access-Control-Allow-Origin",),
    ),
    get(
        "preflight of a listed origin",
        OPEN_TO_ONE,
        "/predict/",
        method="OPTIONS",
        send=PREFLIGHT,
        reply_headers={"Access-Control-Allow-Origin": PAGE},
        absent_headers=("Access-Control-Allow-Credentials",),
    ),
    get(
        "CORS for all origins",
        OPEN_TO_ALL,
        "/ping/",
        send={"Origin": PAGE},
        reply_headers={"Access-Control-Allow-Origin": "*"},
        absent_headers=("Access-Control-Allow-Credentials",),
    ),
)
