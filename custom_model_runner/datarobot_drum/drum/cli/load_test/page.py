"""The HTML report: one file, nothing in it is loaded from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from datarobot_drum import __version__
from datarobot_drum.drum.cli.load_test.plots import PLOTS
from datarobot_drum.drum.cli.load_test.results import CaseResult, Report, ServerResult, machine
from datarobot_drum.drum.cli.load_test.tables import columns_of

TEMPLATE = "page.html.j2"


def page(report: Report) -> str:
    """The text of the page."""
    from jinja2 import Environment

    template = files(__package__).joinpath(TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    tested = [server for server in report.servers if server.cases]
    return environment.from_string(template).render(
        report=report,
        version=__version__,
        machine=machine(),
        plots=_plots(tested),
        servers=[_table(server) for server in tested],
        failures=[server for server in report.servers if server.error],
    )


def _plots(servers: list[ServerResult]) -> list[dict[str, Any]]:
    drawn = [(title, hint, draw(servers)) for title, hint, draw in PLOTS] if servers else []
    return [
        {"title": title, "hint": hint, "svg": svg} for title, hint, svg in drawn if svg is not None
    ]


def _table(server: ServerResult) -> dict[str, Any]:
    in_server = any(case.in_server is not None for case in server.cases)
    columns = columns_of(server.cases, in_server=in_server)
    return {
        "name": server.name,
        "url": server.url,
        "startup": server.startup,
        "headings": [heading for heading, _ in columns],
        "rows": [[cell(case) for _, cell in columns] for case in server.cases],
        "notes": [note for case in server.cases for note in _notes(case)],
    }


def _notes(case: CaseResult) -> list[str]:
    """What went wrong in a case."""
    name = case.case.title
    notes = [f"{name}: {count} x {reason}" for reason, count in case.outcome.errors.most_common(5)]
    if case.is_client_late:
        late = case.outcome.lag.percentile(99)
        notes.append(f"{name}: the client started 1 % of the requests more than {late:.3f} s late")
    return notes
