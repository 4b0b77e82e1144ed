"""Turn the samples of a benchmark run into tables, and put tables into the document."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paths import CEILING, ROOT, SERVERS

FOREIGN_LIMIT = 0.25


@dataclass(frozen=True, order=True)
class Cell:
    """One load: a model, a number of rows a request, a number of clients."""

    model: str
    rows: int
    clients: int

    def __str__(self) -> str:
        return f"{self.model}/{self.rows}:{self.clients}"

    @property
    def title(self) -> str:
        """How tables name it; the model stands in their heading."""
        rows = "1 row" if self.rows == 1 else f"{self.rows:,} rows"
        clients = "1 client" if self.clients == 1 else f"{self.clients} clients"
        return f"{rows}, {clients}"


@dataclass(frozen=True)
class Sample:
    """One server under one load, once. Latencies in ms, memory in MB."""

    server: str
    model: str
    rows: int
    clients: int
    rep: int
    rate: float
    requests: int
    seconds: float
    errors: int
    p50: float
    p95: float
    p99: float
    server_seconds: float
    server_cores: float
    foreign_cores: float
    pss: float
    calm: bool

    @property
    def cell(self) -> Cell:
        """The load of the sample."""
        return Cell(self.model, self.rows, self.clients)

    @property
    def cpu_per_request(self) -> float:
        """Server CPU in ms for each answered request."""
        return self.server_seconds * 1e3 / max(1, self.requests)


@dataclass(frozen=True)
class Start:
    """One start of a server: seconds until its first prediction, memory after some, in MB."""

    server: str
    model: str
    seconds: float
    pss: float


@dataclass(frozen=True)
class Run:
    """All samples of one run and what is said about it."""

    about: Mapping[str, str]
    samples: Sequence[Sample]
    starts: Sequence[Start] = ()

    def of(self, cell: Cell, server: str) -> list[Sample]:
        """The samples of one server under one load."""
        return [each for each in self.samples if each.cell == cell and each.server == server]

    def cells(self, model: str) -> list[Cell]:
        """The loads of one model, small to large."""
        return sorted({each.cell for each in self.samples if each.model == model})

    def models(self) -> list[str]:
        """The models in order of first use."""
        return list(dict.fromkeys(each.model for each in self.samples))

    def servers(self) -> list[str]:
        """The servers that were measured, ceiling first."""
        names = {each.server for each in self.samples}
        return [name for name in SERVERS if name in names]


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def ratios(
    run: Run,
    cell: Cell,
    server: str,
    figure: Callable[[Sample], float],
    calm: bool,
    by: str = CEILING,
) -> list[float]:
    """Figure of the server by that of another, the ceiling, for each repetition that both did."""
    base = {each.rep: figure(each) for each in run.of(cell, by) if each.calm or not calm}
    return [
        figure(each) / base[each.rep]
        for each in run.of(cell, server)
        if base.get(each.rep) and (each.calm or not calm)
    ]


def with_range(values: Sequence[float]) -> str:
    """Median and range, `-` without values."""
    if not values:
        return "-"
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def share(
    run: Run, cell: Cell, server: str, figure: Callable[[Sample], float], by: str = CEILING
) -> str:
    """Median and range of the ratios; `busy` when no pair of samples was undisturbed."""
    if calm := ratios(run, cell, server, figure, True, by):
        return with_range(calm)
    disturbed = ratios(run, cell, server, figure, False, by)
    return with_range(disturbed) + (" busy" if disturbed else "")


def ratio_table(run: Run, model: str) -> str:
    """Requests a second, and CPU a request, by the ceiling's in the same repetition."""
    servers = [name for name in run.servers() if name != CEILING]
    head = ["load", *servers, *(f"CPU {name}" for name in servers)]
    rows = []
    for cell in run.cells(model):
        rate = [share(run, cell, name, lambda s: s.rate) for name in servers]
        cpu = [share(run, cell, name, lambda s: s.cpu_per_request) for name in servers]
        rows.append([cell.title, *rate, *cpu])
    return markdown(head, rows)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _figures(samples: Sequence[Sample]) -> list[str]:
    used = [each for each in samples if each.calm] or samples

    def median(figure: Callable[[Sample], float]) -> str:
        return _number(statistics.median(figure(each) for each in used))

    return [
        median(lambda s: s.rate),
        median(lambda s: s.p50),
        median(lambda s: s.p95),
        median(lambda s: s.p99),
        median(lambda s: s.cpu_per_request),
        median(lambda s: s.server_cores),
        median(lambda s: s.pss),
        str(sum(each.errors for each in samples)),
        f"{sum(each.calm for each in samples)}/{len(samples)}",
    ]


def absolute_table(run: Run, model: str) -> str:
    """Medians of every figure of every server under every load."""
    head = ["load", "server", "requests/s", "p50 ms", "p95 ms", "p99 ms"]
    head += ["CPU s/1,000 requests", "cores", "PSS MB", "errors", "calm samples"]
    rows = []
    for cell in run.cells(model):
        for server in run.servers():
            samples = run.of(cell, server)
            if samples:
                rows.append([cell.title, server, *_figures(samples)])
    return markdown(head, rows)


def tail_table(run: Run) -> str:
    """The 99th percentile of fastapi by that of gunicorn, cell by cell; above 1 it is worse."""
    rows = []
    for model in run.models():
        for cell in run.cells(model):
            found = ratios(run, cell, "fastapi", lambda s: s.p99, True, "gunicorn")
            found = found or ratios(run, cell, "fastapi", lambda s: s.p99, False, "gunicorn")
            verdict = "-" if not found else "yes" if statistics.median(found) <= 1 else "**no**"
            text = share(run, cell, "fastapi", lambda s: s.p99, "gunicorn")
            rows.append([model, cell.title, text, verdict])
    return markdown(["model", "load", "p99 fastapi / gunicorn", "no worse"], rows)


def start_table(run: Run) -> str:
    """Start-up and memory."""
    rows = [
        [each.server, each.model, f"{each.seconds:.1f}", f"{each.pss:,.0f}"] for each in run.starts
    ]
    return markdown(["server", "model", "s to the first prediction", "PSS MB"], rows)


PLOTS: dict[str, tuple[str, Callable[[Sample], float]]] = {
    "bench-rate": ("requests/s", lambda sample: sample.rate),
    "bench-p99": ("p99 (ms)", lambda sample: sample.p99),
}


def write_plots(run: Run) -> None:
    """A figure by the number of clients: a drawing each, a row for each size of request."""
    from drawing import figure_grid, write_svg

    for name, (what, figure) in PLOTS.items():
        sizes = sorted({each.rows for each in run.samples})
        drawing, grid = figure_grid(len(sizes), len(run.models()))
        for row, size in zip(grid, sizes, strict=True):
            for axes, model in zip(row, run.models(), strict=True):
                _draw(axes, run, model, size, figure)
                axes.set_ylabel(what)
        write_svg(drawing, ROOT / "docs" / "images" / f"{name}.svg")


def _draw(axes: Any, run: Run, model: str, rows: int, figure: Callable[[Sample], float]) -> None:
    """A line for each server, through the medians."""
    from drawing import COLOURS

    cells = [cell for cell in run.cells(model) if cell.rows == rows]
    for number, server in enumerate(run.servers()):
        points = [(cell.clients, run.of(cell, server)) for cell in cells]
        places = [clients for clients, found in points if found]
        heights = [statistics.median(map(figure, found)) for _, found in points if found]
        colour = COLOURS[number % len(COLOURS)]
        dash = "-" if number < len(COLOURS) else ":"
        axes.plot(places, heights, dash, marker=".", color=colour, label=server)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("clients")
    axes.set_title(f"{model}, {rows:,} row{'s' if rows > 1 else ''}", fontsize=9.5, loc="left")


def run_text(run: Run) -> str:
    """Everything the document says about a run."""
    about = "\n".join(f"* {key}: {value}" for key, value in run.about.items())
    plots = "\n".join(f"![{what}](images/{name}.svg)" for name, (what, _) in PLOTS.items())
    parts = [about, plots]
    if {"fastapi", "gunicorn"} <= set(run.servers()):
        parts += ["### The slowest requests of FastAPI and Gunicorn", tail_table(run)]
    if run.starts:
        parts += ["### Start-up and memory", start_table(run)]
    for model in run.models():
        heading = f"### Model `{model}`: share of the ceiling, median (range)"
        parts += [heading, ratio_table(run, model)]
    for model in run.models():
        parts += [f"### Model `{model}`: absolute medians", absolute_table(run, model)]
    return "\n\n".join(parts)


def write_between(document: Path, name: str, text: str) -> None:
    """Replace what stands between the document's markers of that name."""
    begin, end = f"<!-- bench:{name}:begin -->", f"<!-- bench:{name}:end -->"
    content = document.read_text()
    head, found_begin, rest = content.partition(begin)
    _, found_end, tail = rest.partition(end)
    if not (found_begin and found_end):
        raise SystemExit(f"{document.name} has no markers {begin} and {end}; put them in")
    document.write_text(f"{head}{begin}\n\n{text}\n\n{end}{tail}")
