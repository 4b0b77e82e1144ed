// Small line charts as SVG, drawn again with each poll.

import { number } from "./dom.js";

const SPACE = "http://www.w3.org/2000/svg";
const WIDTH = 120;
const HEIGHT = 32;

function shape(name, attributes) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

export function makeChart() {
  const chart = shape("svg", {
    class: "chart",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: "none",
    role: "img",
    "aria-label": "no figures yet",
  });
  chart.append(shape("path", { class: "area" }), shape("path", { class: "line" }));
  return chart;
}

/**
 * Draw points `{x, y}`; `x` counts from 0, the oldest that is shown, to 1. `format` makes the words
 * for screen readers.
 */
export function draw(chart, points, format = number) {
  const shown = points.filter(({ y }) => Number.isFinite(y));
  const [area, line] = chart.children;
  if (shown.length < 2) {
    area.setAttribute("d", "");
    line.setAttribute("d", "");
    chart.setAttribute("aria-label", "no figures yet");
    return;
  }
  const top = Math.max(...shown.map(({ y }) => y)) || 1;
  const place = ({ x, y }) =>
    `${(x * WIDTH).toFixed(1)} ${(HEIGHT - 1 - (y / top) * (HEIGHT - 4)).toFixed(1)}`;
  const path = `M${shown.map(place).join("L")}`;
  const [first, last] = [shown[0].x, shown.at(-1).x].map((x) => (x * WIDTH).toFixed(1));
  line.setAttribute("d", path);
  area.setAttribute("d", `${path}L${last} ${HEIGHT}L${first} ${HEIGHT}Z`);
  chart.setAttribute(
    "aria-label",
    `now ${format(shown.at(-1).y)}, highest ${format(top)}`,
  );
}
