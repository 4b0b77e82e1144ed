// Elements and texts. Whatever the server says is hostile text: it only ever becomes a text node.

export const byId = (id) => document.getElementById(id);

/** An element; attributes that are null, undefined or false are left out, children are texts or nodes. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return made;
}

/** Change a text only when it is another one, so that screen readers do not repeat it. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Replace the children of a node only when `signature` has changed: focus and selection stay. */
export function fill(node, signature, make) {
  if (node.dataset.signature === signature) return;
  node.dataset.signature = signature;
  node.replaceChildren(...make());
}

export const NONE = "–";

export function number(value) {
  if (!Number.isFinite(value)) return NONE;
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(1);
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

export const percent = (share) => (Number.isFinite(share) ? `${number(100 * share)} %` : NONE);

export function duration(seconds) {
  if (seconds === Infinity) return "> 10 min";
  if (!Number.isFinite(seconds)) return NONE;
  if (seconds < 1) return `${number(1000 * seconds)} ms`;
  if (seconds < 120) return `${number(seconds)} s`;
  return age(seconds);
}

export function age(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0 s";
  let rest = Math.floor(seconds);
  const words = units.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count ? `${count} ${unit}` : "";
  });
  return words.filter(Boolean).join(" ");
}

export function bytes(count) {
  if (!Number.isFinite(count)) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let index = 0;
  while (count >= 1024 && index < units.length - 1) {
    count /= 1024;
    index += 1;
  }
  return `${number(index ? count : Math.round(count))} ${units[index]}`;
}

export const clock = (seconds) =>
  new Date(1000 * seconds).toLocaleTimeString(undefined, { hour12: false });

/** Put a text on the clipboard; without a secure context that needs a selection. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", { class: "hidden", readonly: "" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
