// Building the page out of elements. Text is only ever text: nothing here, or anywhere, makes HTML of a string.

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

export const number = (value) => value.toLocaleString("en");

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

// What a screen reader hears.
export function say(text) {
  document.getElementById("said").textContent = text;
}

// What went wrong, in words; the next thing that goes well takes it away.
export function complain(text) {
  document.getElementById("alert").replaceChildren(
    ...(text
      ? [element("p", {}, text, element("button", { type: "button", "aria-label": "Close", onclick: () => complain("") }, "×"))]
      : []),
  );
}
