// The parts of the page that show the server: tiles, routes, errors, facts.

import { draw, makeChart } from "./charts.js";
import {
  NONE, age, byId, bytes, clock, copy, duration, element, fill, number, percent, say,
} from "./dom.js";
import { MINUTE, summary } from "./figures.js";
import { total } from "./prometheus.js";

const STATES = {
  starting: "Starting",
  ready: "Ready",
  draining: "Draining",
  failed: "Failed",
  gone: "No answer",
};
/** Seconds over which the rate is averaged: long enough to be steady, short enough to be live. */
const LIVE = 10;

const TILES = [
  ["rate", "Predictions / s"],
  ["errors", "Failed, last minute"],
  ["latency", "Median latency"],
  ["queue", "Running + waiting"],
  ["turned", "Turned away"],
  ["memory", "Memory"],
];

const tiles = {};

export function buildTiles() {
  for (const [id, title] of TILES) {
    const value = element("p", { class: "value", id: `${id}-value` }, NONE);
    const note = element("p", { class: "muted small note", id: `${id}-note` }, "\u00a0");
    const chart = makeChart();
    tiles[id] = { value, note, chart };
    const tile = element("div", { class: "card tile", role: "group", "aria-labelledby": `${id}-title` });
    tile.append(element("h3", { id: `${id}-title` }, title), value, note, chart);
    byId("tiles").append(tile);
  }
}

export function showState(state, facts) {
  say(byId("state"), STATES[state] ?? state);
  byId("state").dataset.state = state;
  document.body.dataset.state = state;
  if (facts) {
    const { name } = facts.model;
    say(byId("name"), name || "Model");
    document.title = `${STATES[state] ?? state}: ${name} – drum status`;
    say(byId("uptime"), `Up ${age(facts.server.now - facts.server.started)}`);
    say(byId("kind"), [facts.model.targetType, facts.model.language, facts.model.predictor]
      .filter(Boolean).join(" · ") || "\u00a0");
  }
}

/** Messages above everything else: `[kind, title, text]` each. */
export function showNotices(notices) {
  fill(byId("notices"), JSON.stringify(notices), () =>
    notices.map(([kind, title, text]) =>
      element("div", { class: "notice", "data-kind": kind },
        element("strong", {}, title), text ? element("pre", {}, text) : ""),
    ),
  );
}

const isPrediction = (paths) => (key, route) =>
  paths.includes(route.endpoint) && !/^(OPTIONS|HEAD) /.test(key);

function put(id, value, note, points, format) {
  say(tiles[id].value, value);
  say(tiles[id].note, note);
  draw(tiles[id].chart, points, format);
}

export function showTiles(history, facts) {
  const wanted = isPrediction(facts.predictionPaths);
  const { latest } = history;
  const gauge = (name, labels) => (latest ? total(latest.metrics, name, labels) : NaN);
  const points = (figure) => history.points(figure);
  const each = (figure) => points((difference) => figure(summary([difference], wanted)));
  const live = summary(history.last(LIVE), wanted);
  const minute = summary(history.last(MINUTE), wanted);
  const start = summary(history.sinceStart(), wanted);

  put("rate", latest ? number(live.seconds ? live.rate : 0) : NONE,
    latest ? `${number(start.requests)} since start` : "\u00a0", each((one) => one.rate));
  put("errors", minute.requests ? percent(minute.failed / minute.requests) : NONE,
    latest ? `${number(start.failed)} failed, ${number(start.refused)} refused since start` : "\u00a0",
    each((one) => (one.requests ? one.failed / one.requests : 0)), percent);
  put("latency", minute.requests ? duration(minute.p50) : NONE,
    `p95 ${duration(minute.p95)} · p99 ${duration(minute.p99)}`,
    each((one) => one.p95), duration);
  showQueue(gauge, points);
  showTurnedAway(history);
  showMemory(gauge, points);
}

function showQueue(gauge, points) {
  const busy = gauge("drum_executor_workers_busy");
  const waiting = gauge("drum_executor_queue_depth");
  const [slots, places] = ["drum_executor_workers", "drum_executor_queue_limit"].map((name) => gauge(name));
  put("queue", Number.isFinite(busy) ? `${number(busy)} + ${number(waiting)}` : NONE,
    Number.isFinite(slots) ? `of ${number(slots)} slots + ${number(places)} places in line` : "\u00a0",
    points(({ shot }) =>
      total(shot.metrics, "drum_executor_workers_busy") + total(shot.metrics, "drum_executor_queue_depth")));
}

function showTurnedAway(history) {
  const [start] = history.sinceStart();
  const sum = (differences, name) => differences.reduce((all, one) => all + (one[name] || 0), 0);
  const minute = history.last(MINUTE);
  put("turned", start ? number((start.rejected || 0) + (start.timedOut || 0)) : NONE,
    start ? `${number(sum(minute, "rejected"))} rejected, ${number(sum(minute, "timedOut"))} timed out in the last minute` : "\u00a0",
    history.points((one) => (one.rejected || 0) + (one.timedOut || 0)));
}

function showMemory(gauge, points) {
  const [pss, rss] = ["pss", "rss"].map((type) => gauge("drum_memory_bytes", { type }));
  const [limit, used] = ["limit", "used"].map((type) => gauge("drum_container_memory_bytes", { type }));
  const container = Number.isFinite(limit)
    ? `container ${bytes(used)} of ${bytes(limit)}`
    : "no container limit";
  const type = Number.isFinite(pss) ? "pss" : "rss";
  put("memory", bytes(Number.isFinite(pss) ? pss : rss),
    Number.isFinite(rss) ? `${type === "pss" ? "PSS · " : ""}RSS ${bytes(rss)} · ${container}` : "\u00a0",
    points(({ shot }) => total(shot.metrics, "drum_memory_bytes", { type })), bytes);
}

const cell = (text, label, name = "number") => element("td", { class: name, "data-label": label }, text);

export function showRoutes(history, facts, sinceStart, withOthers) {
  const wanted = isPrediction(facts.predictionPaths);
  const start = history.sinceStart()[0]?.routes ?? new Map();
  const rows = [...start]
    .filter(([key, route]) => withOthers || wanted(key, route) ||
      ["/directAccess/{subpath}", "unmatched"].includes(route.endpoint))
    .map(([key]) => {
      const only = (other) => other === key;
      const total = summary(history.sinceStart(), only);
      const shown = sinceStart ? total : summary(history.last(MINUTE), only);
      return { key, total, shown, live: summary(history.last(LIVE), only) };
    })
    .filter(({ total }) => total.requests)
    .sort((a, b) => b.total.requests - a.total.requests);
  const texts = rows.map(({ key, total, shown, live }) => [
    key, number(total.requests), number(live.seconds ? live.rate : 0),
    number(shown.failed), number(shown.refused), duration(shown.p50), duration(shown.p95), duration(shown.p99),
  ]);
  const labels = ["Requests", "Per second", "Errors 5xx", "Refused 4xx", "p50", "p95", "p99"];
  fill(byId("routes"), JSON.stringify(texts), () =>
    texts.map(([key, ...figures]) =>
      element("tr", {},
        element("th", { scope: "row" }, key),
        ...figures.map((text, index) => cell(text, labels[index]))),
    ),
  );
  byId("routes").closest("table").hidden = !rows.length;
  byId("routes-empty").hidden = Boolean(rows.length);
  say(byId("routes-empty"), facts.metrics
    ? "No requests yet. Send one with the form below, or copy it as a curl command."
    : "Metrics are off, so there are no figures.");
}

const kindOf = (status) => (status >= 500 ? "bad" : status >= 400 ? "warn" : "left");

function errorRow(error) {
  const id = element("button", { type: "button", class: "id", title: "Copy the request id" }, error.requestId);
  id.addEventListener("click", () => copy(error.requestId));
  const status = element("span", { class: "status", "data-kind": kindOf(error.status) }, error.status || "left");
  const message = error.message || (error.incomplete ? "The client left, or the answer was cut off." : NONE);
  return element("tr", { "data-request-id": error.requestId },
    cell(element("time", { datetime: new Date(1000 * error.time).toISOString() }, clock(error.time)), "Time", ""),
    cell(status, "Status", ""),
    cell(`${error.method} ${error.route}`, "Route", "route"),
    cell(message, "Message", "message"),
    cell(id, "Request id", ""));
}

export function showErrors(errors) {
  fill(byId("errors"), JSON.stringify(errors), () => errors.map(errorRow));
  byId("errors").closest("table").hidden = !errors.length;
  byId("errors-empty").hidden = Boolean(errors.length);
}

function workersText(history) {
  const samples = history.latest?.metrics.get("drum_workers") ?? [];
  return samples.filter(({ value }) => value)
    .map(({ labels, value }) => `${number(value)} ${labels.state}`).join(", ");
}

export function showFacts(facts, history) {
  const { model, server } = facts;
  const labels = model.classLabels ?? [model.positiveClassLabel, model.negativeClassLabel].filter(Boolean);
  const load = history.latest ? total(history.latest.metrics, "drum_model_load_seconds") : NaN;
  const rows = [
    ["Folder", model.codeDir ?? model.name],
    ["Target type", model.targetType],
    ["Class labels", labels.length > 30 ? `${labels.slice(0, 30).join(", ")} and ${labels.length - 30} more` : labels.join(", ")],
    ["Language", model.language],
    ["Predictor", model.predictor],
    ["Described as", model.modelMetadata?.name],
    ["Loaded in", Number.isFinite(load) ? duration(load) : ""],
    ["Server type", server.type],
    ["Workers", workersText(history)],
    ["Version of drum", server.version],
    ["Version of Python", server.python],
    ["Started", new Date(1000 * server.started).toLocaleString()],
    ["Body limit", facts.maxBody ? bytes(facts.maxBody) : "none"],
  ].filter(([, text]) => text);
  fill(byId("about"), JSON.stringify(rows), () =>
    rows.map(([title, text]) => element("div", {}, element("dt", {}, title), element("dd", {}, text))));
  byId("metadata").hidden = !model.modelMetadata;
  if (model.modelMetadata) say(byId("metadata-text"), JSON.stringify(model.modelMetadata, null, 2));
  say(byId("footer"), `drum ${server.version}, ${server.type} server`);
}
