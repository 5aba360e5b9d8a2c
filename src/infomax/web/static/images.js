// Tiles: images that link to their neighbors, with a box to select them. The arrow keys move from tile to tile.

import { attempt, element, icon } from "./elements.js";
import { linkTo, toNeighbors } from "./address.js";
import { deselect, isSelected, onSelectionChange, select } from "./selection.js";

const PIXELATED_SIDE = 24; // images up to this many pixels wide and high are enlarged without blur
const LONG_PRESS = 500; // milliseconds

const STATE_NAMES = { gone: "deleted", changed: "changed" };

export const fileName = (image) => image.path.slice(image.path.lastIndexOf("/") + 1) || image.path;
export const folderName = (image) => image.path.slice(0, Math.max(image.path.lastIndexOf("/"), 0));

// The label of an image, or the place where it is. A folder is no label.
const labelOrPlace = (image) => image.label ?? (folderName(image) && `in ${fileName({ path: folderName(image) })}`);

// `caption` is shown below the image, and `description` is read to those who cannot see it.
export function tile(image, state, { caption = null, description = null, style = {}, class: name = "" } = {}) {
  const text = [fileName(image), labelOrPlace(image), description, ...image.tags, STATE_NAMES[image.state]];
  const link = element(
    "a",
    { class: "tile-link", href: linkTo(toNeighbors(state, image.id)), "aria-label": text.filter(Boolean).join(", ") },
    thumbnail(image),
    STATE_NAMES[image.state] && element("span", { class: "badge" }, STATE_NAMES[image.state]),
    element("span", { class: "name", "aria-hidden": "true" }, fileName(image)),
  );
  const made = element("div", { class: `tile ${name}`, title: image.path, style }, link, box(image), caption);
  made.image = image;
  pressLong(made);
  return made;
}

const CHECK = "M5 12.5l4.5 4.5L19 7.5";

function box(image) {
  return element(
    "button",
    {
      type: "button",
      class: "select",
      tabindex: -1,
      "aria-label": `Select ${fileName(image)}`,
      "aria-pressed": String(isSelected(image.id)),
      onclick: (event) => toggle(event.currentTarget.closest(".tile"), event.shiftKey),
    },
    icon(CHECK),
  );
}

let anchor = null; // the image from which Shift selects
let listing = null; // promises the ids of all images of the view, in order; null where each of them has a tile

// Say how to get all images of the view, where not all of them have tiles.
export function setListing(give) {
  listing = give;
}

const listedIds = async () => (listing ? listing() : [...document.querySelectorAll("#view .tile")].map((each) => each.image.id));

// Select every image of the view; return how many these are.
export async function selectAll() {
  const ids = await listedIds();
  select(ids);
  return ids.length;
}

// Select or deselect the image of a tile; with `range` all images between it and the last one.
export async function toggle(tileElement, range = false) {
  const { id } = tileElement.image;
  const from = anchor;
  anchor = id;
  if (range && from !== null && (await attempt(() => selectRange([from, id])))) return;
  if (isSelected(id)) deselect([id]);
  else select([id]);
}

// Select the images from one to another; return whether the view has both.
async function selectRange(ends) {
  const ids = await listedIds();
  const [from, to] = ends.map((each) => ids.indexOf(each)).sort((a, b) => a - b);
  if (from >= 0) select(ids.slice(from, to + 1));
  return from >= 0;
}

// A long press selects, as people know it from phones. The click that ends it does not open the image.
function pressLong(tileElement) {
  let timer = 0;
  let pressed = false;
  const end = () => clearTimeout(timer);
  tileElement.addEventListener("pointerdown", (event) => {
    pressed = false;
    if (event.pointerType === "mouse") return;
    timer = setTimeout(() => {
      pressed = true;
      toggle(tileElement);
    }, LONG_PRESS);
  });
  for (const name of ["pointerup", "pointercancel", "pointermove", "pointerleave"]) {
    tileElement.addEventListener(name, end);
  }
  tileElement.addEventListener("contextmenu", (event) => pressed && event.preventDefault());
  tileElement.addEventListener(
    "click",
    (event) => {
      if (!pressed) return;
      pressed = false;
      event.preventDefault();
      event.stopPropagation();
    },
    true,
  );
}

// Keep the boxes of all tiles true to the selection.
onSelectionChange(() => {
  for (const each of document.querySelectorAll("#view .tile")) {
    const chosen = isSelected(each.image.id);
    each.classList.toggle("selected", chosen);
    each.querySelector(".select")?.setAttribute("aria-pressed", String(chosen));
  }
});

export function thumbnail(image) {
  const isTiny = Math.max(image.width, image.height) <= PIXELATED_SIDE;
  return element("img", {
    src: `.${image.thumbnail}`, // below the page, wherever a proxy shows it
    alt: "",
    class: isTiny && "pixelated",
    decoding: "async",
    draggable: "false",
    width: image.width,
    height: image.height,
    onerror: (event) => event.target.classList.add("missing"),
  });
}

// The tab key reaches only one tile of a grid. The arrow keys reach the others.
export function grid(tiles, properties = {}) {
  const made = element("div", { role: "group", ...properties, class: `grid ${properties.class ?? ""}` }, tiles);
  roam(made);
  return made;
}

// Let the tab key reach one tile of an element only.
export function roam(made) {
  const links = () => [...made.querySelectorAll(".tile-link")];
  links().forEach((each, index) => each.setAttribute("tabindex", index ? -1 : 0));
  if (made.roams) return;
  made.roams = true;
  made.addEventListener("focusin", (event) => {
    if (!event.target.matches(".tile-link")) return;
    for (const each of links()) each.setAttribute("tabindex", each === event.target ? 0 : -1);
  });
}

// The tile that has the focus.
export const focusedTile = () => document.activeElement?.closest?.(".tile");

// Move the focus among the tiles of the view: left and right in order, up and down to the nearest of the next row.
export function moveFocus(view, key) {
  const tiles = [...view.querySelectorAll(".tile")];
  const current = tiles.indexOf(focusedTile());
  const next = current < 0 ? 0 : destination(tiles, current, key);
  if (!tiles[next]) return false;
  const link = tiles[next].querySelector(".tile-link");
  link.focus();
  link.scrollIntoView({ block: "nearest" });
  return true;
}

function destination(tiles, current, key) {
  const step = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: tiles.length - 1 }[key];
  if (step !== undefined) return step;
  const boxes = tiles.map((each) => each.getBoundingClientRect());
  const { left, width, top, height } = boxes[current];
  const middle = left + width / 2;
  const sign = key === "ArrowDown" ? 1 : -1;
  const gap = (index) => sign * (boxes[index].top + boxes[index].height / 2 - top - height / 2);
  const rows = tiles.map((_, index) => index).filter((index) => gap(index) > height / 3);
  const row = Math.min(...rows.map(gap));
  const aside = (index) => Math.abs(boxes[index].left + boxes[index].width / 2 - middle);
  return rows.filter((index) => gap(index) < row + height / 3).sort((a, b) => aside(a) - aside(b))[0];
}
