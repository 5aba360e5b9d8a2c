// Builds the page from elements. Text stays text: no code of this page makes HTML from a string.

export function element(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

const SVG = "http://www.w3.org/2000/svg";

// A drawing of one path, as wide as text is high. `path` is what the attribute d of an SVG path takes.
export function icon(path) {
  const drawing = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "path");
  return fill(drawing, { viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }, [fill(line, { d: path }, [])]);
}

function fill(made, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, each] of Object.entries(value)) made.style.setProperty(key, each);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export const button = (text, onclick, properties = {}) =>
  element("button", { type: "button", onclick, ...properties }, text);

// A message in the middle of the view, in place of images.
export const message = (text, ...more) => element("div", { class: "message" }, element("h1", {}, text), ...more);

// What is shown while the server computes.
export const busy = (text) =>
  element("div", { class: "message" }, element("div", { class: "spinner" }), element("h1", {}, text));

export const formatNumber = (value) => value.toLocaleString("en");

export const formatCount = (count, noun) => `${formatNumber(count)} ${count === 1 ? noun : `${noun}s`}`;

export function formatBytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${(count / 1000 ** power).toLocaleString("en", { maximumFractionDigits: power ? 1 : 0 })} ${units[power]}`;
}

// Tell users of a screen reader what has changed.
export function announce(text) {
  document.getElementById("status").textContent = text;
}

// Show what went wrong. An empty text removes the last error.
export function showError(text) {
  const close = () => button("×", () => showError(""), { "aria-label": "Close" });
  document.getElementById("alert").replaceChildren(...(text ? [element("p", {}, text, close())] : []));
}

// Run what a button is for, and show why it failed.
export async function attempt(work) {
  showError("");
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") showError(error.message);
    return null;
  }
}

const NOTE_SECONDS = 12;
let noteTimer = 0;

// Say for some seconds what was done, with a button that undoes it.
export function note(text, undo = null) {
  const place = document.getElementById("note");
  const close = () => place.replaceChildren();
  clearTimeout(noteTimer);
  const undoing = undo && button("Undo", () => attempt(undo).then(close));
  place.replaceChildren(element("p", {}, text, undoing, button("×", close, { "aria-label": "Close" })));
  announce(text);
  noteTimer = setTimeout(close, NOTE_SECONDS * 1000);
}
