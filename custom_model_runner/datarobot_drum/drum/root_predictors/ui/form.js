// The form that sends a request to the model and shows the answer.

import { answerElements, readBody } from "./answers.js";
import { byId, bytes, copy, duration, element, say } from "./dom.js";

const TABLES = [
  ["text/csv", "CSV"],
  ["application/json; format=auto", "JSON"],
  ["text/mtx", "Matrix Market"],
  ["application/vnd.apache.parquet", "Parquet (a file)"],
  ["application/vnd.apache.arrow.file", "Arrow (a file)"],
];
const ANYTHING = [
  ["text/plain", "Text"],
  ["application/json", "JSON"],
  ["text/csv", "CSV"],
  ["application/octet-stream", "Bytes (a file)"],
];
const CHAT = [["application/json", "A message, sent as JSON"]];
const ENDINGS = {
  csv: "text/csv", json: "json", mtx: "text/mtx", parquet: "parquet", arrow: "arrow", txt: "text/plain",
};

const ROUTES = {
  predict: { path: "predict/", title: "Predict", types: TABLES, hint: "A table with a header line." },
  transform: { path: "transform/", title: "Transform", types: TABLES, hint: "A table with a header line." },
  unstructured: { path: "predictUnstructured/", title: "Predict", types: ANYTHING, hint: "Whatever the model reads." },
  chat: { path: "chat/completions", title: "Chat", types: CHAT, hint: "A message to the model." },
};
const EXAMPLES = { predict: "a,b\n1,2\n3,4", transform: "a,b\n1,2\n3,4", unstructured: "Some text", chat: "Hello" };

let maxBody = 0;
let running = null;

/** The routes that fit a model, the most useful one first. */
function routesOf({ targetType, canChat }) {
  const own = targetType === "transform" ? "transform" : targetType === "unstructured" ? "unstructured" : "predict";
  const isChat = targetType === "agenticworkflow";
  const names = canChat ? [own, "chat"] : [own];
  return isChat ? names.reverse() : names;
}

const route = () => ROUTES[byId("route").value];
const chosenFile = () => byId("file").files[0];

function options(select, pairs) {
  const before = select.value;
  select.replaceChildren(...pairs.map(([value, text]) => element("option", { value }, text)));
  if (pairs.some(([value]) => value === before)) select.value = before;
}

function showRoute() {
  options(byId("type"), route().types);
  byId("data").placeholder = EXAMPLES[byId("route").value];
  say(byId("hint"), `${route().hint} Ctrl+Enter sends.`);
}

/** Offer what fits the model; called with each poll. */
export function offer(facts) {
  maxBody = facts.maxBody;
  const names = routesOf(facts.model);
  if (byId("route").dataset.names === names.join()) return;
  byId("route").dataset.names = names.join();
  options(byId("route"), names.map((name) => [name, `${ROUTES[name].title}: POST /${ROUTES[name].path}`]));
  showRoute();
}

function showFile() {
  const file = chosenFile();
  byId("data").disabled = Boolean(file);
  byId("no-file").hidden = !file;
  const word = ENDINGS[file?.name.split(".").pop().toLowerCase()];
  const found = word && route().types.find(([type]) => type.includes(word));
  if (found) [byId("type").value] = found;
}

function body() {
  if (chosenFile()) return chosenFile();
  const text = byId("data").value;
  if (byId("route").value !== "chat") return text;
  return JSON.stringify({ messages: [{ role: "user", content: text }] });
}

const address = () => new URL(`../${route().path}`, document.baseURI);
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** The command that sends the same request. */
export function curlCommand() {
  const data = chosenFile() ? quoted(`@${chosenFile().name}`) : quoted(body().replace(/^@/, "\n@"));
  return `curl ${quoted(address().href)} -H ${quoted(`Content-Type: ${byId("type").value}`)} --data-binary ${data}`;
}

function refuse(text) {
  byId("answer").replaceChildren();
  byId("answer-line").replaceChildren(element("span", { class: "status", "data-kind": "warn" }, text));
}

function answerLine(response, seconds, size, isCut) {
  const kind = response.ok ? "good" : response.status >= 500 ? "bad" : "warn";
  const id = response.headers.get("X-Request-ID") ?? "";
  const facts = [duration(seconds), `${isCut ? "more than " : ""}${bytes(size)}`];
  return [
    element("span", { class: "status", "data-kind": kind, id: "answer-status" }, response.status),
    ` in ${facts.join(", ")} · request id `,
    element("code", { id: "answer-id" }, id),
  ];
}

async function exchange(signal) {
  const started = performance.now();
  const response = await fetch(address(), {
    method: "POST", body: body(), headers: { "Content-Type": byId("type").value }, signal, cache: "no-store",
  });
  const { bytes: content, isCut } = await readBody(response);
  const seconds = (performance.now() - started) / 1000;
  const shown = await answerElements(content, response.headers.get("Content-Type") ?? "", isCut);
  byId("answer-line").replaceChildren(...answerLine(response, seconds, content.length, isCut));
  byId("answer").replaceChildren(...shown);
}

function setRunning(controller) {
  running = controller;
  byId("send").disabled = Boolean(controller);
  byId("cancel").disabled = !controller;
  byId("form").setAttribute("aria-busy", String(Boolean(controller)));
}

async function send(event) {
  event?.preventDefault();
  if (running) return;
  const data = body();
  const size = data.size ?? new TextEncoder().encode(data).length;
  if (!chosenFile() && !byId("data").value.trim()) {
    byId("data").focus();
    return void refuse("Enter data or choose a file first.");
  }
  if (maxBody && size > maxBody) return void refuse(`The server takes at most ${bytes(maxBody)}.`);
  setRunning(new AbortController());
  byId("answer-line").replaceChildren("Waiting for the answer…");
  try {
    await exchange(running.signal);
  } catch (error) {
    refuse(error.name === "AbortError" ? "Cancelled." : "No answer: the server cannot be reached, or it closed the connection.");
  }
  setRunning(null);
}

async function copyCurl() {
  const command = curlCommand();
  const isCopied = await copy(command);
  say(byId("copied"), isCopied ? "Copied." : "Cannot copy; here it is:");
  byId("answer-line").replaceChildren("The request as a command:");
  byId("answer").replaceChildren(element("pre", { id: "curl-text", tabindex: "0" }, command));
  setTimeout(() => say(byId("copied"), ""), 3000);
}

export function startForm() {
  byId("form").addEventListener("submit", send);
  byId("cancel").addEventListener("click", () => running?.abort());
  byId("curl").addEventListener("click", copyCurl);
  byId("route").addEventListener("change", showRoute);
  byId("file").addEventListener("change", showFile);
  byId("no-file").addEventListener("click", () => {
    byId("file").value = "";
    showFile();
    byId("data").focus();
  });
  byId("data").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send(event);
  });
}
