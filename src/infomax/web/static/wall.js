// All images, a screenful at a time.

import { ask } from "./api.js";
import { element, number, plural, say } from "./elements.js";
import { linkOf, wallOf } from "./address.js";
import { grid, tile } from "./images.js";

const GAP = 6;
const PAGER = 52; // as high as style.css makes it

export async function show(view, state, { signal, go, statistics }) {
  const size = fitting(view);
  const found = await ask(
    "/api/images",
    { offset: state.from, limit: size.limit, folder: state.folder, label: state.label },
    { signal },
  );
  if (!found.images.length) {
    view.replaceChildren(nothing(state, found.total, statistics));
    say("No images");
    return {};
  }
  const tiles = grid(
    found.images.map((each) => tile(each, state)),
    { class: "wall", "aria-label": "Images", style: { "--columns": size.columns } },
  );
  const last = state.from + found.images.length;
  const heading = `${number(state.from + 1)}–${number(last)} of ${number(found.total)}`;
  view.replaceChildren(element("h1", { class: "unseen" }, "Images"), tiles, pager(state, size.limit, found.total, heading, go));
  say(`Images ${heading}`);
  return { keys: { PageDown: turn(1), PageUp: turn(-1) } };

  function turn(step) {
    return () => {
      const from = state.from + step * size.limit;
      if (from < found.total && from > -size.limit) go({ ...state, from: Math.max(0, from) }, { focus: true });
    };
  }
}

// As many columns and rows as the screen holds, a column or two more where that leaves less room below; on a small one
// rather more to scroll than more pages to turn.
function fitting(view) {
  const style = getComputedStyle(view);
  const padding = (side) => parseFloat(style[`padding${side}`]);
  const width = view.clientWidth - padding("Left") - padding("Right") + GAP;
  const height = innerHeight - document.querySelector(".bar").offsetHeight - padding("Top") - padding("Bottom") - PAGER + GAP;
  const side = Math.min(176, Math.max(104, width / 11)) + GAP;
  const least = Math.max(2, Math.floor(width / side));
  if (least < 6) return { columns: least, limit: least * Math.max(2, 3 * Math.floor((height * least) / width)) };
  const choices = [least, least + 1, least + 2].map((columns) => {
    const rows = Math.max(2, Math.floor((height * columns) / width));
    return { columns, limit: Math.min(500, columns * rows), left: height - (rows * width) / columns };
  });
  return choices.reduce((best, each) => (each.left < best.left ? each : best));
}

function pager(state, limit, total, heading, go) {
  const pages = Math.ceil(total / limit);
  const page = Math.floor(state.from / limit);
  const to = (target, text, label, rel) => {
    const from = Math.min(Math.max(0, target), (pages - 1) * limit);
    const idle = target < 0 ? state.from === 0 : state.from + limit >= total && target > state.from;
    return idle
      ? element("span", { class: "step", "aria-hidden": "true" }, text)
      : element("a", { class: "step", rel, href: linkOf({ ...state, from }), "aria-label": label }, text);
  };
  const slider = element("input", {
    type: "range",
    min: 0,
    max: pages - 1,
    value: page,
    "aria-label": "Page",
    "aria-valuetext": `page ${page + 1} of ${pages}`,
    oninput: () => {
      place.textContent = `page ${number(Number(slider.value) + 1)} of ${number(pages)}`;
    },
    onchange: () => go({ ...state, from: Number(slider.value) * limit }),
  });
  const place = element("span", { class: "place" }, heading);
  const before = state.from > 0 ? Math.max(0, state.from - limit) : -1;
  return element(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    to(before, "←", "Previous page", "prev"),
    pages > 1 && slider,
    place,
    to(state.from + limit, "→", "Next page", "next"),
  );
}

function nothing(state, total, statistics) {
  if (total) {
    return message("No images from there on.", element("a", { href: linkOf(wallOf(state)) }, "To the first ones"));
  }
  if (state.folder !== null || state.label !== null) {
    return message(
      "No image is in this folder and has this label.",
      element("a", { href: linkOf(wallOf(state, { folder: null, label: null })) }, `Show all ${plural(statistics.images, "image")}`),
    );
  }
  return message(
    "This index holds no images yet.",
    element("code", {}, `infomax index PHOTOS --index ${statistics.name}`),
  );
}

export const message = (text, ...more) => element("div", { class: "message" }, element("h1", {}, text), ...more);
