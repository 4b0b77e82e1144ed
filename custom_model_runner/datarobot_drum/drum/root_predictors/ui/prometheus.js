// Reads the text format of Prometheus, and what histograms of counters tell.

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^\s*([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"\s*,?/;
const ESCAPES = { "\\\\": "\\", '\\"': '"', "\\n": "\n" };

function value(text) {
  if (/^\+?inf/i.test(text)) return Infinity;
  if (/^-inf/i.test(text)) return -Infinity;
  return Number(text);
}

/** A map from the name of a metric to its samples, `{labels, value}` each. */
export function parse(text) {
  const metrics = new Map();
  for (const line of text.split("\n")) {
    const name = NAME.exec(line)?.[0];
    if (!name) continue;
    let rest = line.slice(name.length);
    const labels = {};
    if (rest.startsWith("{")) {
      rest = rest.slice(1);
      for (let found; (found = LABEL.exec(rest)); rest = rest.slice(found[0].length)) {
        labels[found[1]] = found[2].replace(/\\[\\"n]/g, (escape) => ESCAPES[escape]);
      }
      rest = rest.slice(rest.indexOf("}") + 1);
    }
    if (!metrics.has(name)) metrics.set(name, []);
    metrics.get(name).push({ labels, value: value(rest.trim().split(/\s+/)[0]) });
  }
  return metrics;
}

/** The sum of a metric's samples that have these labels; NaN when there is none. */
export function total(metrics, name, labels = {}) {
  const wanted = Object.entries(labels);
  const found = (metrics.get(name) ?? []).filter((sample) =>
    wanted.every(([key, text]) => sample.labels[key] === text),
  );
  return found.length ? found.reduce((sum, sample) => sum + sample.value, 0) : NaN;
}

/** Growth of a counter; one that has become less was started anew, from zero. */
export const increase = (before, now) => (now >= before ? now - before : now);

/** Pieces of the same bounds as one, the lowest first. */
function merged(pieces) {
  const found = new Map();
  for (const { low, high, count } of pieces) {
    const key = `${low} ${high}`;
    found.set(key, { low, high, count: count + (found.get(key)?.count ?? 0) });
  }
  return [...found.values()]
    .filter(({ count }) => count > 0)
    .sort((a, b) => a.high - b.high || a.low - b.low);
}

/**
 * The quantile of pieces `{low, high, count}`, as Prometheus computes it: evenly spread within a
 * piece, and the lower bound where a piece has no upper one.
 */
export function quantile(share, pieces) {
  const sorted = merged(pieces);
  const all = sorted.reduce((sum, piece) => sum + piece.count, 0);
  if (!all) return NaN;
  let rank = share * all;
  for (const { low, high, count } of sorted) {
    if (rank <= count) return high === Infinity ? low : low + (high - low) * (rank / count);
    rank -= count;
  }
  return sorted.at(-1).low;
}
