"""Plots of the benchmarks as SVG files, in the style of the report of `drum perf-test`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

#: told apart by people who do not see all colours (Okabe and Ito)
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8a94a0")
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "drum",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e8ec",
    "legend.frameon": False,
    "savefig.facecolor": "white",
}


def figure_grid(
    rows: int, columns: int, width: float = 4.6, height: float = 2.4
) -> tuple[Figure, Any]:
    """An empty drawing and its axes, row by row."""
    with rc_context(STYLE):
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
        return figure, figure.subplots(rows, columns, squeeze=False)


def write_svg(figure: Figure, path: Path) -> None:
    """Write a drawing; the same drawing is always the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context(STYLE):
        handles, labels = figure.axes[0].get_legend_handles_labels()
        if labels:
            figure.legend(handles, labels, loc="outside upper left", ncols=4)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    path.write_text(re.sub(r"[ \t]+$", "", path.read_text(), flags=re.MULTILINE))
