"""What a soak has found: the growth of each figure, what went wrong, tables and plots."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from growth import CONFIDENCE, Floor, Growth, Point, fit
from paths import ROOT
from report import markdown
from soak_samples import FIGURES, Ending, Process, Sample

SOAK_DOCUMENT = ROOT / "docs" / "SOAK.md"
PLOTS = ROOT / "docs" / "images"

#: the share of the requests before which nothing is fitted: caches fill, libraries are imported
WARM_UP = 0.2
#: a worker's samples are told apart by their number, up to this one
AGES = 4
#: What an allocator does is no growth: each thread has an arena of its own, of which it keeps what
#: its largest requests needed. Of one process, in MB.
MEMORY_FLOOR = Floor(rate=0.05, whole=16)
#: A single descriptor, thread or file that comes or goes is none either.
COUNT_FLOOR = Floor(rate=0.01, whole=2)
TREE, WORKER, AGED, ARBITER = "all processes", "a worker", "workers of one age", "arbiter"
UNITS = {"rss": "RSS MB", "pss": "PSS MB", "descriptors": "descriptors", "threads": "threads"}


def floor_of(figure: str, processes: int = 1) -> Floor:
    """Growth of that figure of so many processes which is noise."""
    each = MEMORY_FLOOR if figure in ("rss", "pss") else COUNT_FLOOR
    return Floor(each.rate * processes, each.whole * processes)


@dataclass
class Soak:
    """Everything that was seen of one server."""

    name: str
    samples: list[Sample] = field(default_factory=list)
    tally: Mapping[str, Any] = field(default_factory=dict)
    ending: Ending | None = None

    def take(self, line: Mapping[str, Any]) -> None:
        """Add a line of the journal."""
        if "sample" in line:
            self.samples.append(Sample.read(line["sample"]))
        elif "tally" in line:
            self.tally = line["tally"]
        else:
            self.ending = Ending(**line["ending"])

    @property
    def recycles(self) -> bool:
        """Are its workers replaced all the time?"""
        return self.name.endswith("recycling")

    @property
    def requests(self) -> int:
        """All requests up to the last sample."""
        return self.samples[-1].requests if self.samples else 0

    @property
    def workers(self) -> int:
        """How many workers there are, but for a moment."""
        counts = Counter(len(sample.workers) for sample in self.samples)
        return counts.most_common(1)[0][0] if counts else 0

    @property
    def lives(self) -> int:
        """How many workers there have been."""
        return len({process.pid for sample in self.samples for process in sample.workers})

    def warm(self) -> list[Sample]:
        """Samples after the warm-up, with all workers and none too many."""
        begin, workers = WARM_UP * self.requests, self.workers
        warm = [sample for sample in self.samples if sample.requests >= begin]
        return [sample for sample in warm if len(sample.workers) == workers]

    def scopes(self) -> list[str]:
        """What is fitted."""
        if self.workers == len(self.samples[-1].processes):
            return [TREE]
        return [TREE, AGED if self.recycles else WORKER, ARBITER]

    def floor(self, scope: str, figure: str) -> Floor:
        """Growth that is noise."""
        return floor_of(figure, max(1, self.workers) if scope == TREE else 1)

    def series(self, scope: str, figure: str) -> list[list[Point]]:
        """The points of a figure, in groups that are not compared with each other."""
        if scope == WORKER:
            return _by_worker(self.warm(), figure)
        if scope == AGED:
            return _by_age(self.samples, self.warm(), figure)
        if scope == ARBITER:
            return [
                [
                    Point(sample.requests, getattr(process, figure))
                    for sample in self.warm()
                    for process in sample.processes
                    if not process.is_worker
                ]
            ]
        return [[Point(sample.requests, sample.total(figure)) for sample in self.warm()]]

    def growths(self) -> Iterator[tuple[str, str, Growth | None]]:
        """Scope, figure and growth, of all."""
        if not self.samples:
            return
        for scope in self.scopes():
            for figure in FIGURES:
                yield scope, figure, fit(self.series(scope, figure))
        files = [Point(sample.requests, sample.files) for sample in self.warm()]
        yield TREE, "files", fit([files])


def _by_worker(samples: Iterable[Sample], figure: str) -> list[list[Point]]:
    """A group for each worker, by the requests that it had: its share of the predictions."""
    groups: dict[int, list[Point]] = defaultdict(list)
    for sample in samples:
        whole = max(1, sum(process.answered for process in sample.workers))
        for process in sample.workers:
            share = process.answered / whole
            groups[process.pid].append(Point(sample.requests * share, getattr(process, figure)))
    return list(groups.values())


def _by_age(samples: Iterable[Sample], warm: Sequence[Sample], figure: str) -> list[list[Point]]:
    """A group for each age: recycled workers start anew, so only equal ages are compared.

    The age is how many samples have seen the worker; the first one may have caught it loading.
    """
    ages: Counter[int] = Counter()
    groups: dict[int, list[Point]] = defaultdict(list)
    for sample in samples:
        for process in sample.workers:
            ages[process.pid] += 1
            age = min(AGES, ages[process.pid])
            if age > 1 and sample in warm:
                groups[age].append(Point(sample.requests, getattr(process, figure)))
    return [groups[age] for age in sorted(groups)]


@dataclass
class SoakRun:
    """A whole run, and what is said about it."""

    about: Mapping[str, str]
    servers: dict[str, Soak]


def problems(run: SoakRun) -> list[str]:
    """A line for everything that makes the soak fail."""
    if not run.servers:
        return ["nothing was soaked"]
    return [f"{soak.name}: {text}" for soak in run.servers.values() for text in _problems(soak)]


def _problems(soak: Soak) -> Iterator[str]:
    growths = list(soak.growths())
    if unknown := list(dict.fromkeys(scope for scope, _, growth in growths if growth is None)):
        yield f"too few samples to fit {', '.join(unknown)}; soak for longer"
    for scope, figure, growth in growths:
        if growth and soak.floor(scope, figure).is_passed_by(growth):
            yield f"{figure} of {scope} grows by {_slope(growth)} for each 1,000 requests"
    yield from _held(soak)
    if soak.tally.get("fault_count"):
        faults = "; ".join(dict.fromkeys(soak.tally["faults"][:5]))
        yield f"{soak.tally['fault_count']} wrong answers or lost requests: {faults}"
    if soak.ending is None:
        yield "it was not seen to its end"
    else:
        yield from _bad_ending(soak.ending, 130 if soak.name == "flask" else 0)


def _held(soak: Soak) -> Iterator[str]:
    for what, counts in (
        ("connections are open that no client has", [each.sockets for each in soak.samples]),
        ("zombies", [each.zombies for each in soak.samples]),
    ):
        # a server that gets no CPU time lets go late; what is leaked is still there the next time
        if any(map(min, itertools.pairwise(counts))) or any(counts[-1:]):
            yield f"{max(counts)} {what}, in {sum(map(bool, counts))} of {len(counts)} samples"


def _bad_ending(ending: Ending, expected: int) -> Iterator[str]:
    if ending.exit_code != expected:
        yield f"it ended with {ending.exit_code}, not {expected}"
    if ending.survivors:
        yield f"{ending.survivors} processes outlived it"
    if ending.leftovers:
        yield f"it left files: {', '.join(ending.leftovers)}"
    if ending.warnings:
        yield f"Python warned: {'; '.join(ending.warnings[:5])}"


def _number(value: float) -> str:
    return "0" if value == 0 else f"{value:+.2g}" if abs(value) < 10 else f"{value:+,.0f}"


def _slope(growth: Growth) -> str:
    return f"{_number(growth.slope)} ({_number(growth.low)} to {_number(growth.high)})"


def _verdict(floor: Floor, growth: Growth | None) -> str:
    if growth is None:
        return "too few samples"
    if growth.low <= 0:
        return "no growth"
    return "GROWS" if floor.is_passed_by(growth) else "below the floor"


def growth_table(run: SoakRun) -> str:
    """Slopes with their intervals."""
    head = [
        "server",
        "of",
        "figure",
        "median",
        "slope for each 1,000 requests",
        "late",
        "verdict",
    ]
    rows = []
    for soak in run.servers.values():
        for scope, figure, growth in soak.growths():
            slope = _slope(growth) if growth else "-"
            late = _number(growth.late) if growth else "-"
            name = UNITS.get(figure, figure)
            middle = _median(soak, scope, figure)
            verdict = _verdict(soak.floor(scope, figure), growth)
            rows.append([soak.name, scope, name, middle, slope, late, verdict])
    return markdown(head, rows)


def _median(soak: Soak, scope: str, figure: str) -> str:
    if figure == "files":
        values: list[float] = [sample.files for sample in soak.warm()]
    else:
        series = soak.series(scope, figure)
        values = [point.figure for points in series for point in points]
    return f"{statistics.median(values):,.4g}" if values else "-"


def traffic_table(run: SoakRun) -> str:
    """What the clients saw."""
    head = ["server", "requests", "requests/s", "right answers", "left by their client"]
    head += ["wrong or lost", "workers", "samples", "late to let go", "exit code"]
    rows = []
    for soak in run.servers.values():
        seconds = soak.samples[-1].seconds if soak.samples else 0
        rows.append(
            [
                soak.name,
                f"{soak.requests:,}",
                f"{soak.requests / seconds:.0f}" if seconds else "-",
                f"{sum(soak.tally.get('right', {}).values()):,}",
                f"{sum(soak.tally.get('left', {}).values()):,}",
                str(soak.tally.get("fault_count", "-")),
                str(soak.lives),
                str(len(soak.samples)),
                str(sum(bool(each.sockets or each.zombies) for each in soak.samples)),
                str(soak.ending.exit_code) if soak.ending else "-",
            ]
        )
    return markdown(head, rows)


def kinds_table(run: SoakRun) -> str:
    """How many of each kind of request."""
    names = list(run.servers)
    totals: dict[str, Counter[str]] = {}
    for name, soak in run.servers.items():
        counts = Counter(soak.tally.get("right", {}))
        counts.update(soak.tally.get("left", {}))
        totals[name] = counts
    kinds = dict.fromkeys(kind for counts in totals.values() for kind in sorted(counts))
    rows = [[kind, *(f"{totals[name][kind]:,}" for name in names)] for kind in kinds]
    return markdown(["requests", *names], rows)


def run_text(run: SoakRun) -> str:
    """Everything the document says about a run."""
    about = "\n".join(f"* {key}: {value}" for key, value in run.about.items())
    found = problems(run)
    verdict = "\n".join(f"* **FAILED**: {text}" for text in found) or "* Nothing failed."
    confidence = (
        f"Slopes with intervals of {CONFIDENCE:.0%}; `late`: the slope in the later half. "
        "Memory in MB (1,000,000 bytes)."
    )
    parts = [f"{about}\n{verdict}", traffic_table(run), confidence, growth_table(run)]
    return "\n\n".join([*parts, kinds_table(run)])


def write_plots(run: SoakRun) -> None:
    """One drawing for memory, one for descriptors and threads."""
    from drawing import figure_grid, write_svg

    for name, figures in (("soak-memory", ("rss", "pss")), ("soak-counts", FIGURES[2:])):
        figure, grid = figure_grid(len(run.servers), len(figures))
        for row, soak in zip(grid, run.servers.values(), strict=True):
            for axes, what in zip(row, figures, strict=True):
                _draw(axes, soak, what)
        write_svg(figure, PLOTS / f"{name}.svg")


def _draw(axes: Any, soak: Soak, figure: str) -> None:
    """Points of all processes together and of each worker, by requests."""
    from drawing import COLOURS

    tree = [(sample.requests / 1000, sample.total(figure)) for sample in soak.samples]
    axes.plot(*zip(*tree, strict=True), color=COLOURS[0], label="all processes")
    lives: dict[int, list[tuple[float, Process]]] = defaultdict(list)
    for sample in soak.samples:
        for process in sample.workers:
            lives[process.pid].append((sample.requests / 1000, process))
    for number, points in enumerate(lives.values()):
        axes.plot(
            [at for at, _ in points],
            [getattr(process, figure) for _, process in points],
            color=COLOURS[1 + number % 2],
            linewidth=1,
            label="each worker" if not number else None,
        )
    axes.axvspan(0, WARM_UP * soak.requests / 1000, color="#f1f4f7", zorder=0, linewidth=0)
    axes.set_ylim(bottom=0)
    axes.set_title(soak.name, fontsize=9.5, loc="left")
    axes.set_ylabel(UNITS[figure])
    axes.set_xlabel("thousand requests")
