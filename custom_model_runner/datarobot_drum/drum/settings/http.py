"""The settings of the HTTP edge: limits, timeouts, TLS, CORS, who is trusted."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from datarobot_drum.drum import enum as names
from datarobot_drum.drum.errors import UsageError
from datarobot_drum.drum.settings import checks
from datarobot_drum.drum.settings.sources import FromParam

GIBIBYTE = 1 << 30

Names = Annotated[tuple[str, ...], BeforeValidator(checks.comma_list)]
ReadableFile = Annotated[str, AfterValidator(checks.readable_file)]


class HttpSettings(BaseModel):
    """What an operator can tune about connections and requests, whatever the model."""

    max_upload_size: Annotated[
        int, Field(ge=0), FromParam(names.DRUM_FASTAPI_MAX_UPLOAD_SIZE, stops_on="anything")
    ] = GIBIBYTE
    """Bytes that a request body may have on every server; 0 is no limit."""

    backlog: Annotated[int, Field(ge=1, le=10_000), FromParam(names.DRUM_WEBSERVER_BACKLOG)] = 2048
    """Connections that may wait to be accepted."""

    keep_alive: Annotated[
        int,
        Field(ge=0, le=3600),
        FromParam(names.DRUM_UVICORN_KEEP_ALIVE, "DRUM_GUNICORN_KEEP_ALIVE"),
    ] = 75
    """Seconds that an idle connection stays open; 0 closes after each answer."""

    enable_docs: Annotated[bool, FromParam(names.DRUM_FASTAPI_ENABLE_DOCS)] = False
    """Serve `/docs`, `/redoc` and `/openapi.json`, on every server; needs the extra `docs`."""

    cors_enabled: Annotated[bool, FromParam(names.DRUM_CORS_ENABLED, stops_on="anything")] = False
    """Let web pages of `cors_origins` call the server."""

    cors_origins: Annotated[
        Names,
        AfterValidator(checks.origins),
        FromParam(names.DRUM_CORS_ORIGINS, stops_on="anything"),
    ] = ()
    """Origins, separated by commas, or `*`."""

    cors_methods: Annotated[
        Names,
        AfterValidator(checks.tokens),
        AfterValidator(checks.upper),
        FromParam("DRUM_CORS_METHODS", stops_on="anything"),
    ] = ("GET", "POST", "OPTIONS")
    """Methods that a web page may use."""

    cors_headers: Annotated[
        Names,
        AfterValidator(checks.tokens),
        FromParam("DRUM_CORS_HEADERS", stops_on="anything"),
    ] = ("Authorization", "Content-Type")
    """Request headers that a web page may send."""

    ssl_certfile: Annotated[
        ReadableFile | None, FromParam(names.DRUM_SSL_CERTFILE, stops_on="anything")
    ] = None
    """Certificate chain in PEM form; it turns TLS on."""

    ssl_keyfile: Annotated[
        ReadableFile | None, FromParam(names.DRUM_SSL_KEYFILE, stops_on="anything")
    ] = None
    """Private key in PEM form; without it the key is in the certificate's file."""

    ssl_keyfile_password: Annotated[
        str | None,
        Field(repr=False, exclude=True),
        FromParam(names.DRUM_SSL_KEYFILE_PASSWORD, stops_on="anything"),
    ] = None
    """Password of the private key; never shown, never on a command line."""

    ssl_ca_certs: Annotated[
        ReadableFile | None, FromParam("DRUM_SSL_CA_CERTS", stops_on="anything")
    ] = None
    """Certificates that client certificates are checked against."""

    ssl_cert_reqs: Annotated[
        int, Field(ge=0, le=2), FromParam("DRUM_SSL_CERT_REQS", stops_on="anything")
    ] = 0
    """Client certificates: 0 not asked for, 1 checked if sent, 2 required."""

    url_prefix: Annotated[
        str,
        BeforeValidator(checks.url_prefix),
        FromParam(None, env="URL_PREFIX", stops_on="anything"),
    ] = ""
    """Path under which every route is served, such as `/models/a`."""

    header_timeout: Annotated[
        float,
        Field(ge=0, le=3600),
        FromParam("DRUM_UVICORN_HEADER_TIMEOUT", "DRUM_GUNICORN_FIRST_BYTE_TIMEOUT"),
    ] = 10
    """Seconds that a client has to send a request's head, from its connection on; 0 is no limit."""

    max_body_bytes_held: Annotated[
        int, Field(ge=0), FromParam("DRUM_MAX_QUEUE_BYTES", stops_on="anything")
    ] = 2 * GIBIBYTE
    """Bytes of bodies that the requests of one worker may hold at a time; 0 is no limit."""

    limit_concurrency: Annotated[int, Field(ge=0), FromParam("DRUM_UVICORN_LIMIT_CONCURRENCY")] = 0
    """Connections of one FastAPI worker, probes included, beyond which it answers 503; 0 is off."""

    pre_stop_delay: Annotated[float, Field(ge=0, le=3600), FromParam("DRUM_PRE_STOP_DELAY")] = 0
    """Seconds between `/readyz` turning 503 at SIGTERM and the end of listening."""

    trusted_proxies: Annotated[
        Names,
        AfterValidator(checks.networks),
        FromParam("DRUM_TRUSTED_PROXIES", env="FORWARDED_ALLOW_IPS", stops_on="anything"),
    ] = ("127.0.0.1", "::1")
    """Addresses and networks whose `X-Forwarded-For` is believed, or `*`."""

    rate_limit_enabled: Annotated[
        bool, FromParam("DRUM_RATE_LIMIT_ENABLED", stops_on="anything")
    ] = False
    """Answer 429 to a client that sends too many requests; probes and metrics are exempt."""

    rate_limit_rpm: Annotated[
        int, Field(ge=1, le=1_000_000), FromParam("DRUM_RATE_LIMIT_RPM", stops_on="anything")
    ] = 60
    """Requests that one client may send in a minute, on average."""

    rate_limit_burst: Annotated[
        int, Field(ge=1, le=1_000_000), FromParam("DRUM_RATE_LIMIT_BURST", stops_on="anything")
    ] = 10
    """Requests that one client may send in a second."""

    rate_limit_storage: Annotated[
        str | None, Field(repr=False), FromParam("DRUM_RATE_LIMIT_STORAGE", stops_on="anything")
    ] = None
    """Where workers share the counts, such as `redis://host:6379`; without it each has its own."""

    cors_credentials: Annotated[bool, FromParam("DRUM_CORS_CREDENTIALS", stops_on="anything")] = (
        False
    )
    """Let the web pages send cookies and credentials; never together with `*`."""

    ssl_ciphers: Annotated[str | None, FromParam("DRUM_SSL_CIPHERS", stops_on="anything")] = None
    """Ciphers for TLS 1.2 in OpenSSL's form; without it those of Python's `ssl` module."""

    ssl_version: Annotated[str | None, FromParam("DRUM_SSL_VERSION")] = None
    """Obsolete and without effect: TLS 1.2 is always the least version."""

    @model_validator(mode="after")
    def _fit_together(self) -> HttpSettings:
        if self.cors_enabled and not self.cors_origins:
            raise UsageError(
                "DRUM_CORS_ENABLED needs DRUM_CORS_ORIGINS: list the origins, or use *"
            )
        if self.cors_credentials and "*" in self.cors_origins:
            raise UsageError(
                "DRUM_CORS_CREDENTIALS cannot be used with the origin *: list the origins"
            )
        if self.ssl_certfile is None and (self.ssl_keyfile or self.ssl_ca_certs):
            raise UsageError("TLS needs DRUM_SSL_CERTFILE: give the path of the certificate")
        if self.ssl_cert_reqs and self.ssl_ca_certs is None:
            raise UsageError(
                "DRUM_SSL_CERT_REQS needs DRUM_SSL_CA_CERTS: give the path of a CA file"
            )
        return self
