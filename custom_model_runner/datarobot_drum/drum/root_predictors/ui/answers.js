// An answer as a table where it is one, else as text; what is too much to show is cut.

import { NONE, element, number } from "./dom.js";

const ROWS = 100;
const COLUMNS = 30;
const TEXT = 20_000;
/** Bytes of an answer that are read; the rest is not fetched. */
export const READ = 5_000_000;

/** The first bytes of a response: `{bytes, isCut}`. */
export async function readBody(response) {
  const reader = response.body?.getReader();
  const chunks = [];
  let size = 0;
  while (reader && size <= READ) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    size += value.length;
  }
  const isCut = size > READ;
  if (isCut) reader.cancel().catch(() => {});
  return { bytes: new Uint8Array(await new Blob(chunks).arrayBuffer()), isCut };
}

/** Rows of a CSV text, quoted fields with commas and line ends included. */
export function parseCsv(text) {
  const rows = [[]];
  const field = /("(?:[^"]|"")*"|[^,\r\n]*)(,|\r?\n|\r|$)/gy;
  for (let found; field.lastIndex < text.length && (found = field.exec(text)); ) {
    const [, raw, end] = found;
    rows.at(-1).push(raw.startsWith('"') ? raw.slice(1, -1).replaceAll('""', '"') : raw);
    if (end && end !== ",") rows.push([]);
    if (rows.length > ROWS + 2) break;
  }
  return rows.filter((row) => row.length && !(row.length === 1 && row[0] === ""));
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

function fromRecords(records) {
  const columns = [...new Set(records.slice(0, ROWS).flatMap((record) => Object.keys(record)))];
  return { columns, rows: records.map((record) => columns.map((name) => record[name])) };
}

/** One row of the platform's form: a prediction, and a value for each label. */
function fromPlatform({ rowId, prediction, predictionValues = [], extraModelOutput = {}, ...others }) {
  const values = predictionValues.map(({ label, value }) => [String(label), value]);
  return { rowId, prediction, ...Object.fromEntries(values), ...others, ...extraModelOutput };
}

function addExtra(table, extra) {
  if (!Array.isArray(extra?.columns) || !Array.isArray(extra?.data)) return table;
  return {
    columns: [...table.columns, ...extra.columns],
    rows: table.rows.map((row, index) => [...row, ...(extra.data[index] ?? [])]),
  };
}

/** `{columns, rows}` of a JSON answer, or null when it is no table. */
export function tableOf(answer) {
  if (Array.isArray(answer?.predictions)) {
    const { predictions, extraModelOutput } = answer;
    const table = predictions.length && predictions.every(isObject)
      ? fromRecords(predictions)
      : { columns: ["prediction"], rows: predictions.map((value) => [value]) };
    return addExtra(table, extraModelOutput);
  }
  if (Array.isArray(answer?.data) && answer.data.length && answer.data.every(isObject)) {
    return fromRecords(answer.object === "list" ? answer.data : answer.data.map(fromPlatform));
  }
  return Array.isArray(answer) && answer.length && answer.every(isObject) ? fromRecords(answer) : null;
}

function shown(value) {
  if (value === null || value === undefined) return NONE;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function tableElement({ columns, rows }) {
  const some = columns.slice(0, COLUMNS);
  const isNumber = some.map((_, place) => rows.every((row) => typeof row[place] === "number"));
  const name = (place) => (isNumber[place] ? "number" : null);
  const head = element("tr", {}, element("th", { scope: "col", class: "number" }, "Row"),
    ...some.map((column, place) => element("th", { scope: "col", class: name(place) }, column)));
  const body = rows.slice(0, ROWS).map((row, index) =>
    element("tr", {}, element("th", { scope: "row", class: "number muted" }, index + 1),
      ...some.map((_, place) => element("td", { class: name(place) }, shown(row[place])))));
  const scroll = element("div", { class: "scroll tall", tabindex: "0", role: "region", "aria-label": "Answer as a table" },
    element("table", { class: "answer" }, element("thead", {}, head), element("tbody", {}, ...body)));
  const cut = [];
  if (rows.length > ROWS) cut.push(`the first ${ROWS} of ${number(rows.length)} rows`);
  if (columns.length > COLUMNS) cut.push(`the first ${COLUMNS} of ${number(columns.length)} columns`);
  return cut.length ? [scroll, element("p", { class: "muted small" }, `Shown: ${cut.join(", ")}.`)] : [scroll];
}

function textElement(text, label = "Answer as text") {
  const pre = element("pre", { tabindex: "0", role: "region", "aria-label": label }, text.slice(0, TEXT));
  const note = element("p", { class: "muted small" }, `Shown: the first ${number(TEXT)} of ${number(text.length)} characters.`);
  return text.length > TEXT ? [pre, note] : [pre];
}

const details = (text) => element("details", {}, element("summary", {}, "As it came"), ...textElement(text, "Raw answer"));

async function formParts(bytes, type) {
  const form = await new Response(bytes, { headers: { "Content-Type": type } }).formData();
  const parts = [];
  for (const [name, part] of form) {
    const text = typeof part === "string" ? part : await part.text();
    parts.push(element("h3", {}, `Part ${name}`), ...(name.endsWith("X") || name === "y" ? csvElement(text) : textElement(text)));
  }
  return parts;
}

function csvElement(text) {
  const [columns, ...rows] = parseCsv(text);
  return columns && rows.length ? tableElement({ columns, rows }) : textElement(text);
}

function jsonElement(text) {
  const answer = JSON.parse(text);
  const table = tableOf(answer);
  if (table) return [...tableElement(table), details(text)];
  const said = answer?.choices?.[0]?.message?.content;
  if (typeof said === "string") return [...textElement(said, "What the model said"), details(JSON.stringify(answer, null, 2))];
  return textElement(JSON.stringify(answer, null, 2));
}

/** The elements that show an answer of this content type. */
export async function answerElements(bytes, type, isCut) {
  const note = isCut ? [element("p", { class: "muted small" }, `Only the first ${number(READ / 1e6)} MB were read.`)] : [];
  if (!bytes.length) return [element("p", { class: "empty" }, "The answer has no body.")];
  const text = new TextDecoder().decode(bytes);
  try {
    if (/^multipart\/form-data/i.test(type)) return [...note, ...(await formParts(bytes, type))];
    if (/^text\/csv/i.test(type)) return [...note, ...csvElement(text)];
    if (/json/i.test(type)) return [...note, ...jsonElement(text)];
  } catch {
    // not what its content type says, or cut: the text is still worth showing
  }
  return [...note, ...textElement(text)];
}
