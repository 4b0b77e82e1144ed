"""The pages `/docs` and `/redoc`: every byte comes from this server, none from elsewhere."""

from __future__ import annotations

import html
import json
from importlib.resources import files

from datarobot_drum.drum.platform_services.extras import DOCS
from datarobot_drum.drum.root_predictors import openapi
from datarobot_drum.drum.root_predictors.predict_mixin import RequestAdapter
from datarobot_drum.drum.root_predictors.replies import Reply
from datarobot_drum.drum.root_predictors.routes import GET, Kind, Route

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "redoc.standalone.js": "text/javascript; charset=utf-8",
    "favicon.png": "image/png",
}
HTML = "text/html; charset=utf-8"
#: A picture that Redoc would fetch from elsewhere; it shows none where there is no picture.
FOREIGN, NOTHING = b"https://cdn.redoc.ly/redoc/logo-mini.svg", b"data:,"
#: The scripts are not ours: the browser keeps them from asking other servers.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; worker-src blob:; frame-ancestors 'none'"
)

DOCS_ROUTES = (
    Route("openapi", GET, ("/openapi.json",), "openapi_document", Kind.FIGURES, "This document."),
    Route("docs", GET, ("/docs",), "docs_page", Kind.FIGURES, "The document as a page to try."),
    Route("redoc", GET, ("/redoc",), "redoc_page", Kind.FIGURES, "The document as a page to read."),
    Route(
        "docs_asset",
        GET,
        tuple(f"/docs/{name}" for name in ASSETS),
        "docs_asset",
        Kind.FIGURES,
        "Scripts and styles of the pages.",
    ),
)

SWAGGER = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>drum</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="{prefix}/docs/favicon.png"><style>body {{ margin: 0 }}</style>
<link rel="stylesheet" href="{prefix}/docs/swagger-ui.css"></head>
<body><div id="page"></div>
<script src="{prefix}/docs/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({{url: "{prefix}/openapi.json", dom_id: "#page", validatorUrl: null}})
</script>
</body></html>
"""
REDOC = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>drum</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="{prefix}/docs/favicon.png"><style>body {{ margin: 0 }}</style></head>
<body><redoc spec-url="{prefix}/openapi.json" disable-google-font="true"></redoc>
<script src="{prefix}/docs/redoc.standalone.js"></script>
</body></html>
"""


class DocsMixin:
    """The operations of `DOCS_ROUTES`; those of a server that has them in its table."""

    prefix: str
    table: tuple[Route, ...]

    def openapi_document(self, request: RequestAdapter) -> Reply:
        """The OpenAPI document of all routes but those of these pages."""
        routes = [route for route in self.table if route not in DOCS_ROUTES]
        return Reply(body=json.dumps(openapi.document(routes, self.prefix)).encode())

    def docs_page(self, request: RequestAdapter) -> Reply:
        """Swagger UI."""
        return self._page(SWAGGER)

    def redoc_page(self, request: RequestAdapter) -> Reply:
        """Redoc."""
        return self._page(REDOC)

    def _page(self, page: str) -> Reply:
        body = page.format(prefix=html.escape(self.prefix)).encode()
        headers = (("Content-Security-Policy", POLICY),)
        return Reply(body=body, content_type=HTML, headers=headers)

    def docs_asset(self, request: RequestAdapter) -> Reply:
        """A file of the package that brings them."""
        name = request.path.rstrip("/").rpartition("/")[2]
        body = files(DOCS.module).joinpath("static", name).read_bytes()
        return Reply(body=body.replace(FOREIGN, NOTHING), content_type=ASSETS[name])
