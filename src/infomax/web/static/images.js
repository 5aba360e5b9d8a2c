// Tiles: images that link to their neighbors. The arrow keys move the focus from tile to tile.

import { element } from "./elements.js";
import { linkTo, toNeighbors } from "./address.js";

const PIXELATED_SIDE = 24; // images up to this many pixels wide and high are enlarged without blur

const STATE_NAMES = { gone: "deleted", changed: "changed" };

export const fileName = (image) => image.path.slice(image.path.lastIndexOf("/") + 1) || image.path;
export const folderName = (image) => image.path.slice(0, Math.max(image.path.lastIndexOf("/"), 0));

// The label of an image, or the place where it is. A folder is no label.
const labelOrPlace = (image) => image.label ?? (folderName(image) && `in ${fileName({ path: folderName(image) })}`);

export function tile(image, state, match = null) {
  const distance = match?.distance.toFixed(4);
  const description = [fileName(image), labelOrPlace(image), match && `distance ${distance}`, STATE_NAMES[image.state]];
  return element(
    "a",
    {
      class: "tile",
      href: linkTo(toNeighbors(state, image.id)),
      title: image.path,
      "aria-label": description.filter(Boolean).join(", "),
    },
    thumbnail(image),
    STATE_NAMES[image.state] && element("span", { class: "badge" }, STATE_NAMES[image.state]),
    match && element("span", { class: "caption" }, element("b", {}, distance), element("span", {}, labelOrPlace(image))),
  );
}

export function thumbnail(image) {
  const isTiny = Math.max(image.width, image.height) <= PIXELATED_SIDE;
  return element("img", {
    src: `.${image.thumbnail}`, // below the page, wherever a proxy shows it
    alt: "",
    class: isTiny && "pixelated",
    decoding: "async",
    width: image.width,
    height: image.height,
    onerror: (event) => event.target.classList.add("missing"),
  });
}

// The tab key reaches only one tile of a grid. The arrow keys reach the others.
export function grid(tiles, properties = {}) {
  const made = element("div", { role: "group", ...properties, class: `grid ${properties.class ?? ""}` }, tiles);
  tiles.forEach((each, index) => each.setAttribute("tabindex", index ? -1 : 0));
  made.addEventListener("focusin", (event) => {
    for (const each of tiles) each.setAttribute("tabindex", each === event.target ? 0 : -1);
  });
  return made;
}

// Move the focus within a grid. Returns whether the key leads to another tile.
export function moveFocus(gridElement, key) {
  const tiles = [...gridElement.querySelectorAll(".tile")];
  const current = tiles.indexOf(document.activeElement);
  const columns = getComputedStyle(gridElement).gridTemplateColumns.split(" ").length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  const next = { Home: 0, End: tiles.length - 1 }[key] ?? (current < 0 ? 0 : current + step);
  if (!tiles[next]) return false;
  tiles[next].focus();
  return true;
}
