// From one poll of /metrics to the next: what happened in between, route by route.

import { increase, parse, quantile, total } from "./prometheus.js";

export const MINUTE = 60;
export const KEPT = 300;

const REQUESTS = "drum_requests_total";
const BUCKETS = "drum_request_duration_seconds_bucket";

/** What one poll told: counters and cumulative buckets by method and route, gauges as they are. */
export function snapshot(text, seconds) {
  const metrics = parse(text);
  const routes = new Map();
  const of = ({ method, endpoint }) => {
    const key = `${method} ${endpoint}`;
    if (!routes.has(key)) routes.set(key, { endpoint, statuses: {}, buckets: new Map() });
    return routes.get(key);
  };
  for (const { labels, value } of metrics.get(REQUESTS) ?? []) {
    const { statuses } = of(labels);
    statuses[labels.status] = (statuses[labels.status] ?? 0) + value;
  }
  for (const { labels, value } of metrics.get(BUCKETS) ?? []) {
    const { buckets } = of(labels);
    const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
  return { seconds, metrics, routes };
}

/** Cumulative buckets as pieces, each with what fell into it. */
function pieces(buckets) {
  let low = 0;
  let below = 0;
  return [...buckets.keys()]
    .sort((a, b) => a - b)
    .map((high) => {
      const piece = { low, high, count: buckets.get(high) - below };
      low = high;
      below = buckets.get(high);
      return piece;
    });
}

function grown(before, now) {
  const statuses = {};
  for (const [status, count] of Object.entries(now.statuses)) {
    const more = increase(before?.statuses[status] ?? 0, count);
    if (more) statuses[status] = more;
  }
  // a histogram that has become smaller was started anew, all of it
  const isNew = (before?.buckets.get(Infinity) ?? 0) > (now.buckets.get(Infinity) ?? 0);
  const buckets = new Map(
    [...now.buckets].map(([bound, count]) => [
      bound,
      count - (isNew ? 0 : before?.buckets.get(bound) ?? 0),
    ]),
  );
  return { endpoint: now.endpoint, statuses, pieces: pieces(buckets).filter((piece) => piece.count) };
}

/** What happened between two snapshots; without the first one: since the start. */
export function difference(before, now) {
  const routes = new Map();
  for (const [key, route] of now.routes) routes.set(key, grown(before?.routes.get(key), route));
  const turnedAway = (name) =>
    increase(before ? total(before.metrics, name) || 0 : 0, total(now.metrics, name));
  return {
    seconds: before ? now.seconds - before.seconds : NaN,
    routes,
    rejected: turnedAway("drum_requests_rejected_total"),
    timedOut: turnedAway("drum_requests_timed_out_total"),
  };
}

/** Counts and percentiles of some differences, of the routes that `isWanted` takes. */
export function summary(differences, isWanted) {
  const all = { requests: 0, failed: 0, refused: 0, seconds: 0, pieces: [] };
  for (const { routes, seconds } of differences) {
    all.seconds += seconds;
    for (const [key, route] of routes) {
      if (!isWanted(key, route)) continue;
      for (const [status, count] of Object.entries(route.statuses)) {
        all.requests += count;
        if (status >= 500) all.failed += count;
        else if (status >= 400) all.refused += count;
      }
      all.pieces.push(...route.pieces);
    }
  }
  all.rate = all.requests / all.seconds;
  [all.p50, all.p95, all.p99] = [0.5, 0.95, 0.99].map((share) => quantile(share, all.pieces));
  return all;
}

/** The polls of the last minutes. */
export class History {
  constructor() {
    this.clear();
  }

  /** Forget everything: another server answers now. */
  clear() {
    this.latest = null;
    this.differences = [];
  }

  add(shot) {
    if (this.latest) {
      this.differences.push({ ...difference(this.latest, shot), at: shot.seconds, shot });
      const oldest = shot.seconds - KEPT;
      this.differences = this.differences.filter(({ at }) => at > oldest);
    }
    this.latest = shot;
  }

  /** The differences of the last so many seconds. */
  last(seconds) {
    if (!this.latest) return [];
    const from = this.latest.seconds - seconds;
    return this.differences.filter(({ at }) => at > from);
  }

  /** Points of a chart, `x` from 0 to 1: the last minute, or as much as is known of the last five. */
  points(figure) {
    if (!this.differences.length) return [];
    const now = this.latest.seconds;
    const span = Math.max(MINUTE, now - this.differences[0].at);
    return this.differences.map((one) => ({ x: 1 - (now - one.at) / span, y: figure(one) }));
  }

  /** One difference: all since the server's start. */
  sinceStart() {
    return this.latest ? [difference(null, this.latest)] : [];
  }
}
