// An image as a tile that leads to its neighbors, and moving among tiles by the arrow keys.

import { element } from "./elements.js";
import { linkOf, nearOf } from "./address.js";

export const nameOf = (image) => image.path.slice(image.path.lastIndexOf("/") + 1) || image.path;
export const folderOf = (image) => image.path.slice(0, Math.max(image.path.lastIndexOf("/"), 0));

const STATES = { gone: "deleted", changed: "changed" };

export function tile(image, state, match = null) {
  const said = [nameOf(image), image.label, match && `distance ${match.distance.toFixed(4)}`, STATES[image.state]];
  return element(
    "a",
    {
      class: "tile",
      href: linkOf(nearOf(state, image.id)),
      title: image.path,
      "aria-label": said.filter(Boolean).join(", "),
    },
    thumbnail(image),
    STATES[image.state] && element("span", { class: "badge" }, STATES[image.state]),
    match &&
      element(
        "span",
        { class: "caption" },
        element("b", {}, match.distance.toFixed(4)),
        element("span", {}, image.label ?? ""),
      ),
  );
}

// Images of a few pixels are shown as such, rather than as a blur.
export function thumbnail(image) {
  const coarse = Math.max(image.width, image.height) <= 24;
  return element("img", {
    src: image.thumbnail,
    alt: "",
    class: coarse && "coarse",
    decoding: "async",
    width: image.width,
    height: image.height,
    onerror: (event) => event.target.classList.add("lost"),
  });
}

// One tile is in the order of the tab key; from it the arrows lead on.
export function grid(tiles, properties = {}) {
  const made = element("div", { role: "group", ...properties, class: `grid ${properties.class ?? ""}` }, tiles);
  tiles.forEach((each, place) => each.setAttribute("tabindex", place ? -1 : 0));
  made.addEventListener("focusin", (event) => {
    for (const each of tiles) each.setAttribute("tabindex", each === event.target ? 0 : -1);
  });
  return made;
}

export function moveIn(made, key) {
  const tiles = [...made.querySelectorAll(".tile")];
  const place = tiles.indexOf(document.activeElement);
  const columns = getComputedStyle(made).gridTemplateColumns.split(" ").length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  const next = { Home: 0, End: tiles.length - 1 }[key] ?? (place < 0 ? 0 : place + step);
  if (!tiles[next]) return false;
  tiles[next].focus();
  return true;
}
