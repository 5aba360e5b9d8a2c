// Wall: all images, one screen at a time.

import { request } from "./api.js";
import { announce, element, formatCount, formatNumber, message } from "./elements.js";
import { linkTo, toWall } from "./address.js";
import { grid, tile } from "./images.js";

const GAP = 6; // pixels between tiles, as in style.css
const PAGER_HEIGHT = 52; // pixels, as in style.css
const MAX_TILES = 500; // the server sends no more images at once

export async function show(view, state, { signal, go, statistics }) {
  const { columns, limit } = fitGrid(view);
  const found = await request(
    "api/images",
    { offset: state.from, limit, folder: state.folder, label: state.label },
    { signal },
  );
  if (!found.images.length) {
    view.replaceChildren(emptyMessage(state, found.total, statistics));
    announce("No images");
    return {};
  }
  const tiles = grid(
    found.images.map((image) => tile(image, state)),
    { class: "wall", "aria-label": "Images", style: { "--columns": columns } },
  );
  const last = state.from + found.images.length;
  const range = `${formatNumber(state.from + 1)}–${formatNumber(last)} of ${formatNumber(found.total)}`;
  view.replaceChildren(
    element("h1", { class: "visually-hidden" }, "Images"),
    tiles,
    pager(state, limit, found.total, range, go),
  );
  announce(`Images ${range}`);
  return { keys: { PageDown: turnPage(1), PageUp: turnPage(-1) } };

  function turnPage(step) {
    return () => {
      const from = state.from + step * limit;
      if (from < found.total && from > -limit) go({ ...state, from: Math.max(0, from) }, { focus: true });
    };
  }
}

// Choose the number of columns and tiles that fill the screen. One or two columns more are used if they leave less
// empty space at the bottom. A narrow screen gets three times the rows: scrolling is easier there than turning pages.
function fitGrid(view) {
  const style = getComputedStyle(view);
  const padding = (side) => parseFloat(style[`padding${side}`]);
  const width = view.clientWidth - padding("Left") - padding("Right") + GAP;
  const barHeight = document.querySelector(".bar").offsetHeight;
  const height = innerHeight - barHeight - padding("Top") - padding("Bottom") - PAGER_HEIGHT + GAP;
  const side = Math.min(176, Math.max(104, width / 11)) + GAP;
  const fewest = Math.max(2, Math.floor(width / side));
  if (fewest < 6) return { columns: fewest, limit: fewest * Math.max(2, 3 * Math.floor((height * fewest) / width)) };
  const choices = [fewest, fewest + 1, fewest + 2].map((columns) => {
    const rows = Math.max(2, Math.floor((height * columns) / width));
    return { columns, limit: Math.min(MAX_TILES, columns * rows), space: height - (rows * width) / columns };
  });
  return choices.reduce((best, each) => (each.space < best.space ? each : best));
}

function pager(state, limit, total, range, go) {
  const pageCount = Math.ceil(total / limit);
  const rangeText = element("span", { class: "page-range" }, range);
  const previous = state.from > 0 ? Math.max(0, state.from - limit) : null;
  const next = state.from + limit < total ? Math.min(state.from + limit, (pageCount - 1) * limit) : null;
  return element(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    pageLink(state, previous, "←", "Previous page", "prev"),
    pageCount > 1 && pageSlider(state, limit, pageCount, rangeText, go),
    rangeText,
    pageLink(state, next, "→", "Next page", "next"),
  );
}

function pageLink(state, from, text, label, rel) {
  if (from === null) return element("span", { class: "page-link", "aria-hidden": "true" }, text);
  return element("a", { class: "page-link", rel, href: linkTo({ ...state, from }), "aria-label": label }, text);
}

function pageSlider(state, limit, pageCount, rangeText, go) {
  const page = Math.floor(state.from / limit);
  const slider = element("input", {
    type: "range",
    min: 0,
    max: pageCount - 1,
    value: page,
    "aria-label": "Page",
    "aria-valuetext": `page ${page + 1} of ${pageCount}`,
    oninput: () => {
      rangeText.textContent = `page ${formatNumber(Number(slider.value) + 1)} of ${formatNumber(pageCount)}`;
    },
    onchange: () => go({ ...state, from: Number(slider.value) * limit }),
  });
  return slider;
}

function emptyMessage(state, total, statistics) {
  if (total) {
    const link = element("a", { href: linkTo(toWall(state)) }, "Go to the first images");
    return message("There are no more images.", link);
  }
  if (state.folder !== null || state.label !== null) {
    const everything = linkTo(toWall(state, { folder: null, label: null }));
    return message(
      "No image matches the filters.",
      element("a", { href: everything }, `Show all ${formatCount(statistics.images, "image")}`),
    );
  }
  return message(
    "This index has no images yet.",
    element("code", {}, `infomax index PHOTOS --index ${statistics.name}`),
  );
}
