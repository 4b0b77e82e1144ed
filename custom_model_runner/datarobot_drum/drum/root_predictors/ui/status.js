// Asks the server every two seconds while the page is seen, and shows what it says.

import { byId, clock } from "./dom.js";
import { History, snapshot } from "./figures.js";
import { offer, startForm } from "./form.js";
import {
  buildTiles, showErrors, showFacts, showNotices, showRoutes, showState, showTiles,
} from "./panels.js";

const PERIOD = 2000;
const PATIENCE = 8000;

const history = new History();
let facts = null;
let timer = null;
let isAsking = false;
/** why there are no figures, if so: null, "off" or the server's answer */
let missing = null;
let lastAnswer = null;

const ask = (path) =>
  fetch(new URL(path, document.baseURI), { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });

async function askFacts() {
  const response = await ask("facts");
  if (!response.ok) throw new Error(`The server answered ${response.status} to a question for its state.`);
  return response.json();
}

async function askFigures() {
  const response = await ask("../metrics");
  return response.ok ? { text: await response.text() } : { status: response.status };
}

function take(found, figures) {
  if (facts && facts.server.started !== found.server.started) history.clear();
  facts = found;
  lastAnswer = Date.now() / 1000;
  missing = !facts.metrics ? "off" : figures.text === undefined ? `status ${figures.status}` : null;
  if (figures.text !== undefined) history.add(snapshot(figures.text, performance.now() / 1000));
}

function notices() {
  const { state, message } = facts.server;
  const found = [];
  if (state === "failed") found.push(["bad", "The model could not be loaded", message]);
  if (state === "starting") found.push(["info", "The model is being loaded", ""]);
  if (state === "draining") found.push(["warn", "The server is shutting down: it finishes what it has begun", ""]);
  if (missing === "off") found.push(["info", "Metrics are off: set DRUM_METRICS_ENABLED to true to see figures here", ""]);
  else if (missing && state !== "failed") found.push(["warn", `The figures cannot be read (${missing} from /metrics)`, ""]);
  return found;
}

function show() {
  if (!facts) return;
  const sinceStart = document.querySelector("input[name=window]:checked").value === "start";
  showState(facts.server.state, facts);
  showNotices(notices());
  showTiles(history, facts);
  showRoutes(history, facts, sinceStart, byId("all-routes").checked);
  showErrors(facts.errors);
  showFacts(facts, history);
  offer(facts);
}

function showGone(error) {
  showState("gone", null);
  const since = lastAnswer ? ` What you see is of ${clock(lastAnswer)}.` : "";
  const text = error instanceof TypeError || error.name === "TimeoutError"
    ? "It cannot be reached, or it does not answer." : error.message;
  showNotices([["bad", "The server does not answer; trying again", text + since]]);
}

async function poll() {
  if (isAsking) return;
  isAsking = true;
  clearTimeout(timer);
  try {
    const found = await askFacts();
    take(found, found.metrics ? await askFigures() : {});
    show();
  } catch (error) {
    showGone(error);
  }
  isAsking = false;
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(poll, PERIOD);
}

buildTiles();
startForm();
for (const control of [byId("all-routes"), ...document.querySelectorAll("input[name=window]")]) {
  control.addEventListener("change", show);
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else poll();
});
poll();
