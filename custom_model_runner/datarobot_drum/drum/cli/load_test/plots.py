"""The plots of the report, each an SVG text that can stand inside a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

from datarobot_drum.drum.cli.load_test.load import Open
from datarobot_drum.drum.cli.load_test.results import CaseResult, ServerResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Told apart by people who do not see all colours (Okabe and Ito).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vP"
DASHES = ("-", "--", "-.", ":")
#: Fewer requests have no distribution to speak of.
LEAST_REQUESTS = 20
TICKS = (0, 50, 75, 90, 95, 99, 99.9)
#: From this ratio on, small bars would vanish on a linear axis.
LOG_RATIO = 30
CURVE = (0, 10, 25, 50, 75, 90, 95, 99, 99.9)
KB = 1024.0

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "drum",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": "#8a94a0",
    "axes.labelcolor": "#39424e",
    "xtick.color": "#39424e",
    "ytick.color": "#39424e",
    "grid.color": "#e4e8ec",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
}


def latency_by_size(servers: Sequence[ServerResult]) -> str | None:
    """Median and 99th percentile against the size of a request; None with fewer than two sizes."""
    if len({case.request_bytes for server in servers for case in _answered(server)}) < 2:
        return None
    with _figure() as (figure, axes):
        for number, server in enumerate(servers):
            cases = sorted(_answered(server), key=lambda case: case.request_bytes)
            sizes = [case.request_bytes / KB for case in cases]
            _median_and_tail(axes, sizes, cases, number, server.name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("request size (KB)")
        return _finished(figure, axes, "latency (ms)")


def latency_by_rate(servers: Sequence[ServerResult]) -> str | None:
    """Median and 99th percentile against the rate that was sent; None with fewer than two."""
    if len({case.case.load for server in servers for case in _open_cases(server)}) < 2:
        return None
    with _figure() as (figure, axes):
        for number, server in enumerate(servers):
            cases = sorted(_open_cases(server), key=_rate)
            _median_and_tail(axes, list(map(_rate, cases)), cases, number, server.name)
        axes.set_yscale("log")
        axes.set_xlabel("requests sent a second")
        return _finished(figure, axes, "latency (ms)")


def percentiles(servers: Sequence[ServerResult]) -> str | None:
    """The whole distribution of each case; the axis widens towards the slowest requests."""
    lines = [
        (place, server, case)
        for place, server in enumerate(servers)
        for case in server.cases
        if case.outcome.latency.count >= LEAST_REQUESTS
    ]
    if not lines:
        return None
    names = list(dict.fromkeys(_case_name(case) for _, _, case in lines))
    with _figure() as (figure, axes):
        for place, server, case in lines:
            wanted = [percent for percent in CURVE if _is_meaningful(case, percent)]
            number = names.index(_case_name(case))
            # one server: a colour for each case; several: a colour for each server
            colour = number if len(servers) == 1 else place
            axes.plot(
                [_tail_position(percent) for percent in wanted],
                [_milliseconds(case, percent) for percent in wanted],
                color=COLOURS[colour % len(COLOURS)],
                linestyle="-" if len(servers) == 1 else DASHES[number % len(DASHES)],
                marker="o",
                markersize=3.5,
                label=_line_name(server, case, len(servers)),
            )
        axes.set_xticks([_tail_position(percent) for percent in TICKS])
        axes.set_xticklabels([f"{percent:g}" for percent in TICKS])
        axes.set_yscale("log")
        axes.set_xlabel("percentile")
        return _finished(figure, axes, "latency (ms)")


def throughput(servers: Sequence[ServerResult]) -> str | None:
    """Good answers a second, a group of bars for each case."""
    names = [_case_name(case) for case in max(servers, key=lambda one: len(one.cases)).cases]
    if not names:
        return None
    with _figure() as (figure, axes):
        width = 0.8 / len(servers)
        for number, server in enumerate(servers):
            rates = [case.outcome.rate for case in server.cases]
            places = [index - 0.4 + width * (number + 0.5) for index in range(len(rates))]
            bars = axes.bar(
                places, rates, width * 0.92, color=COLOURS[number % len(COLOURS)], label=server.name
            )
            axes.bar_label(bars, [f"{rate:.3g}" for rate in rates], fontsize=8, padding=2)
        rates = [case.outcome.rate for server in servers for case in _answered(server)]
        if rates and max(rates) > LOG_RATIO * min(rates):
            axes.set_yscale("log")
            axes.set_ylim(bottom=axes.get_ylim()[0] / 2, top=axes.get_ylim()[1] * 2)
        axes.grid(visible=False, axis="x")
        axes.set_xticks(range(len(names)), names)
        return _finished(figure, axes, "answers a second")


def memory(servers: Sequence[ServerResult]) -> str | None:
    """Resident and proportional memory over the time of the test; None when nobody knows it."""
    known = [server for server in servers if server.points]
    if not known:
        return None
    with _figure() as (figure, axes):
        for number, server in enumerate(known):
            colour = COLOURS[number % len(COLOURS)]
            times = [point.seconds for point in server.points]
            resident = [point.rss for point in server.points]
            axes.plot(times, resident, color=colour, label=f"{server.name} RSS")
            shared = [(point.seconds, point.pss) for point in server.points if point.pss]
            if shared:
                axes.plot(
                    *zip(*shared, strict=True),
                    color=colour,
                    linestyle=":",
                    linewidth=1.4,
                    label=f"{server.name} PSS",
                )
        axes.set_ylim(bottom=0)
        if len(known) == 1:
            _mark_cases(axes, known[0])
        axes.set_xlabel("seconds since the server was ready")
        return _finished(figure, axes, "memory (MiB)")


def _mark_cases(axes: Axes, server: ServerResult) -> None:
    """Which case ran when; names stand only where there is room for them."""
    whole = max(1e-9, server.points[-1].seconds)
    for number, case in enumerate(server.cases):
        if number % 2 == 0:
            axes.axvspan(case.begin, case.end, color="#f1f4f7", zorder=0, linewidth=0)
        if (case.end - case.begin) / whole > 0.08:
            axes.annotate(
                _case_name(case),
                ((case.begin + case.end) / 2, 0.02),
                xycoords=("data", "axes fraction"),
                ha="center",
                fontsize=8,
                color="#6b7683",
            )


def _answered(server: ServerResult) -> list[CaseResult]:
    return [case for case in server.cases if case.outcome.latency.count]


def _open_cases(server: ServerResult) -> list[CaseResult]:
    return [case for case in _answered(server) if isinstance(case.case.load, Open)]


def _rate(case: CaseResult) -> float:
    return case.case.load.rate if isinstance(case.case.load, Open) else 0.0


def _is_meaningful(case: CaseResult, percent: float) -> bool:
    """Of ten requests nobody knows the 99th percentile."""
    return percent <= 50 or case.outcome.latency.count >= 100 / (100 - percent)


def _milliseconds(case: CaseResult, percent: float) -> float:
    return case.outcome.latency.percentile(percent) * 1000


def _tail_position(percent: float) -> float:
    """Equal room for 90 to 99 as for 99 to 99.9."""
    from math import log10

    return -log10(1 - min(percent, 99.99) / 100)


def _case_name(case: CaseResult) -> str:
    if isinstance(case.case.load, Open):
        return f"{case.case.load.rate:g}/s"
    return case.case.label


def _line_name(server: ServerResult, case: CaseResult, servers: int) -> str:
    return _case_name(case) if servers == 1 else f"{server.name}, {_case_name(case)}"


def _median_and_tail(
    axes: Axes, places: Sequence[float], cases: Sequence[CaseResult], number: int, name: str
) -> None:
    """Two lines of one colour."""
    lines: tuple[tuple[int, str], ...] = ((50, "-"), (99, "--"))
    for percent, style in lines:
        axes.plot(
            places,
            [_milliseconds(case, percent) for case in cases],
            color=COLOURS[number % len(COLOURS)],
            linestyle=style,
            marker=MARKERS[number % len(MARKERS)],
            markerfacecolor="white" if percent > 50 else None,
            label=f"{name} p{percent}",
        )


@contextmanager
def _figure() -> Iterator[tuple[Figure, Axes]]:
    """An empty plot in the style of the report."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(6.2, 3.5), layout="constrained")
        yield figure, figure.subplots()


def _finished(figure: Figure, axes: Axes, what: str) -> str:
    axes.set_ylabel(what)
    if axes.get_yscale() == "log":
        axes.yaxis.set_major_formatter(_plain_number())
    if axes.get_xscale() == "log":
        axes.xaxis.set_major_formatter(_plain_number())
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) > 1:
        if len(labels) > 4:
            figure.legend(handles, labels, loc="outside right upper", fontsize=8.5)
        else:
            figure.legend(handles, labels, loc="outside upper left", ncols=len(labels))
    return _svg(figure)


def _plain_number() -> Callable[[float, float], str]:
    return lambda value, _: f"{value:,.6g}"


def _svg(figure: Figure) -> str:
    """The drawing without what only a file of its own needs."""
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    drawing = text.getvalue()
    return drawing[drawing.index("<svg") :]


BY_SIZE_HINT = "Solid: median. Dashed: 99th percentile."
BY_RATE_HINT = (
    "Open loop, counted from the time at which a request should have started. Where the lines turn "
    "up, the server is full."
)
PERCENTILES_HINT = "How slow the slowest requests are. The axis widens towards 100 %."
THROUGHPUT_HINT = "Good answers a second."
MEMORY_HINT = "RSS counts memory that processes share in each of them, PSS once."

#: Title, what to read from it, and how it is drawn.
PLOTS: tuple[tuple[str, str, Callable[[Sequence[ServerResult]], str | None]], ...] = (
    ("Latency by payload size", BY_SIZE_HINT, latency_by_size),
    ("Latency by rate", BY_RATE_HINT, latency_by_rate),
    ("Percentiles", PERCENTILES_HINT, percentiles),
    ("Throughput", THROUGHPUT_HINT, throughput),
    ("Memory over time", MEMORY_HINT, memory),
)
