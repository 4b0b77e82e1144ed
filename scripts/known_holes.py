"""Known holes of the libraries that the package uses, and the version that closes each.

Read by `scripts/docs` (the table of docs/SECURITY_AUDIT.md) and by tests/security, which holds the
floors of the requirements and what is installed against it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hole:
    """One advisory, or one row of fixes without one; `fixed_in` is of the newest branch."""

    package: str
    advisory: str
    what: str
    fixed_in: str


HOLES = (
    Hole(
        "anyio",
        "CVE-2026-63374 (GHSA-82r6-8w77-94w6)",
        "a client takes the certificate of another name",
        "4.14.2",
    ),
    Hole(
        "anyio", "CVE-2026-64847", "a worker process that writes to stderr waits forever", "4.14.2"
    ),
    Hole("fastapi", "CVE-2021-32677", "JSON is parsed without its content type (CSRF)", "0.65.2"),
    Hole("fastapi", "CVE-2024-24762", "slow pattern on a multipart Content-Type", "0.109.1"),
    Hole("starlette", "CVE-2023-30798", "form fields without limit", "0.25.0"),
    Hole("starlette", "CVE-2023-29159", "StaticFiles leaves its folder", "0.27.0"),
    Hole(
        "starlette",
        "CVE-2024-47874 (GHSA-f96h-pmfr-66vw)",
        "form fields without limit of memory",
        "0.40.0",
    ),
    Hole("starlette", "CVE-2025-54121", "large multipart files block the event loop", "0.47.2"),
    Hole("starlette", "CVE-2025-62727", "quadratic parsing of Range in FileResponse", "0.49.1"),
    Hole(
        "starlette",
        "CVE-2026-48710 (GHSA-86qp-5c8j-p5mr)",
        "a bad Host changes request.url.path: checks by path are passed",
        "1.0.1",
    ),
    Hole("starlette", "CVE-2026-48817", "method dispatch of HTTPEndpoint", "1.1.0"),
    Hole("starlette", "CVE-2026-48818", "StaticFiles takes UNC paths on Windows", "1.1.0"),
    Hole(
        "starlette",
        "CVE-2026-54282",
        "a path without a slash changes request.url.hostname",
        "1.3.0",
    ),
    Hole("starlette", "CVE-2026-54283", "limits of form() ignored for urlencoded bodies", "1.3.1"),
    Hole("uvicorn", "CVE-2020-7694", "log lines from a request's path", "0.11.7"),
    Hole("uvicorn", "CVE-2020-7695", "response splitting", "0.11.7"),
    Hole("uvicorn", "none", "quadratic collection of bodies", "0.42.0"),
    Hole("uvicorn", "none", "the parent imports the app, too; wrong exit codes", "0.50.0"),
    Hole("h11", "CVE-2025-43859", "end of a chunk not checked: request smuggling", "0.16.0"),
    Hole("python-multipart", "CVE-2024-24762", "slow pattern on a Content-Type", "0.0.7"),
    Hole("python-multipart", "CVE-2024-53981", "flood of the log by a bad boundary", "0.0.18"),
    Hole("python-multipart", "CVE-2026-24486", "files are written outside the folder", "0.0.22"),
    Hole("python-multipart", "CVE-2026-40347", "CPU by a huge preamble or epilogue", "0.0.26"),
    Hole("python-multipart", "CVE-2026-42561", "part headers without limit", "0.0.27"),
    Hole("python-multipart", "CVE-2026-53537", "parameters smuggled by RFC 2231", "0.0.30"),
    Hole("python-multipart", "CVE-2026-53538", "fields smuggled by semicolons", "0.0.30"),
    Hole("python-multipart", "CVE-2026-53539", "quadratic parsing of a query", "0.0.30"),
    Hole(
        "python-multipart",
        "CVE-2026-53540 (GHSA-v9pg-7xvm-68hf)",
        "a negative Content-Length buffers everything",
        "0.0.31",
    ),
    Hole("httpx", "CVE-2021-41945", "validation of URLs", "0.23.0"),
    Hole("flask", "CVE-2018-1000656", "memory by the encoding of JSON", "1.0"),
    Hole("flask", "CVE-2019-1010083", "memory by the encoding of JSON", "1.0"),
    Hole("flask", "CVE-2023-30861", "Vary: Cookie is missing", "2.3.2"),
    Hole("flask", "CVE-2025-47278", "signs with a fallback key", "3.1.1"),
    Hole("flask", "CVE-2026-27205", "Vary: Cookie is missing after some accesses", "3.1.3"),
    Hole("werkzeug", "CVE-2023-23934", "a cookie without a name shadows another", "2.2.3"),
    Hole("werkzeug", "CVE-2023-25577", "multipart parts without limit", "2.2.3"),
    Hole("werkzeug", "CVE-2023-46136", "CPU by a multipart body", "3.0.1"),
    Hole("werkzeug", "CVE-2024-34069", "code through the debugger", "3.0.3"),
    Hole("werkzeug", "CVE-2024-49766", "safe_join on Windows", "3.0.6"),
    Hole("werkzeug", "CVE-2024-49767", "memory by a multipart form", "3.0.6"),
    Hole("werkzeug", "CVE-2025-66221", "device names of Windows", "3.1.4"),
    Hole("werkzeug", "CVE-2026-21860", "device names of Windows", "3.1.5"),
    Hole("werkzeug", "CVE-2026-27199", "device names of Windows", "3.1.6"),
    Hole("werkzeug", "GHSA-g6x2-hccm-hh4m", "device names of Windows", "3.1.9"),
    Hole("gunicorn", "CVE-2018-1000164", "CR LF in headers", "19.5.0"),
    Hole("gunicorn", "CVE-2024-1135", "conflicting Transfer-Encoding: smuggling", "22.0.0"),
    Hole(
        "gunicorn",
        "CVE-2024-6827 (GHSA-hc5x-x2vx-497g)",
        "Transfer-Encoding against Content-Length: smuggling",
        "23.0.0",
    ),
    Hole("gunicorn", "none", "framing, repeated Host, chunks that are cut off", "27.0.1"),
    Hole("gevent", "CVE-2023-41419", "trailers in pywsgi: smuggling", "23.9.0"),
    Hole("gevent", "none", "100-continue in pywsgi: smuggling", "25.4.1"),
    Hole("jinja2", "CVE-2020-28493", "slow pattern in urlize", "2.11.3"),
    Hole("jinja2", "CVE-2024-22195", "attributes through xmlattr", "3.1.3"),
    Hole("jinja2", "CVE-2024-34064", "attributes through xmlattr", "3.1.4"),
    Hole("jinja2", "CVE-2024-56201", "out of the sandbox by a file name", "3.1.5"),
    Hole("jinja2", "CVE-2024-56326", "out of the sandbox by str.format", "3.1.5"),
    Hole("jinja2", "CVE-2025-27516", "out of the sandbox by attr", "3.1.6"),
    Hole(
        "protobuf",
        "CVE-2025-4565 (GHSA-8qvm-5x2c-j2w7)",
        "recursion without limit in pure Python",
        "5.29.5",
    ),
    Hole("requests", "CVE-2024-47081", "credentials of .netrc go to another host", "2.32.4"),
)
