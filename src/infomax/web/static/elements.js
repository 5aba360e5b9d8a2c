// Builds the page from elements. Text stays text: no code of this page makes HTML from a string.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, each] of Object.entries(value)) made.style.setProperty(key, each);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

// A message in the middle of the view, in place of images.
export const message = (text, ...more) => element("div", { class: "message" }, element("h1", {}, text), ...more);

export const formatNumber = (value) => value.toLocaleString("en");

export const formatCount = (count, noun) => `${formatNumber(count)} ${count === 1 ? noun : `${noun}s`}`;

// Tell users of a screen reader what has changed.
export function announce(text) {
  document.getElementById("status").textContent = text;
}

// Show what went wrong. An empty text removes the last error.
export function showError(text) {
  const close = () => element("button", { type: "button", "aria-label": "Close", onclick: () => showError("") }, "×");
  document.getElementById("alert").replaceChildren(...(text ? [element("p", {}, text, close())] : []));
}
