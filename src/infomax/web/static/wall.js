// Wall: all images in justified rows, in one long page. Only what is near the screen is loaded and drawn.

import { filtersOf, requestComputed } from "./api.js";
import { announce, element, formatCount, formatNumber, message } from "./elements.js";
import { isFiltered, linkTo, ORDERS, withoutFilters } from "./address.js";
import { roam, tile } from "./images.js";
import { justify, shapeOf } from "./layout.js";
import { isSelected } from "./selection.js";

const GAP = 6; // pixels between tiles, as in style.css
const SECTION = 120; // images that are loaded and drawn together
const MARGIN = "1200px"; // how far from the screen sections are drawn
const SIZES = { small: 110, medium: 170, large: 260 }; // heights of rows in pixels
const ORDER_NAMES = { path: "By path", date: "Newest first", likeness: "By likeness", random: "At random" };

export async function show(view, state, { signal, go, statistics, tools }) {
  const seed = state.order === "random" ? 7 : null;
  const listed = { order: state.order, seed, ...filtersOf(state) };
  const waiting = (count) => announce(`Laying out ${formatCount(count, "image")}`);
  const load = (offset) => requestComputed("api/images", { offset, limit: SECTION, ...listed }, { signal, waiting });
  const start = Math.floor(state.from / SECTION) * SECTION;
  const found = await load(start);
  if (!found.total) {
    view.replaceChildren(emptyMessage(state, statistics));
    announce("No images");
    return {};
  }
  const wall = element("div", { class: "wall", role: "group", "aria-label": "Images" });
  const place = element("span", { class: "page-range" });
  tools.replaceChildren(...toolbar(state, go, place, () => sections.forEach((each) => each.redraw())));
  view.replaceChildren(
    element("h1", { class: "visually-hidden" }, "Images"),
    wall,
  );
  const sections = Array.from({ length: Math.ceil(found.total / SECTION) }, (_, number) =>
    createSection(wall, number, Math.min(SECTION, found.total - number * SECTION), state, load),
  );
  sections[start / SECTION]?.fill(found.images);
  wall.append(...sections.map((each) => each.element));
  const watcher = watch(sections);
  const scrolled = () => showPlace(wall, sections, place, found.total, state);
  addEventListener("scroll", scrolled, { passive: true });
  if (state.from) scrollToImage(sections, state.from);
  scrolled();
  announce(formatCount(found.total, "image"));
  return {
    title: isFiltered(state) ? (state.label ?? state.tag ?? "Images") : null,
    ids: async () => (await requestComputed("api/ids", listed, { signal, waiting })).ids,
    resize: () => sections.forEach((each) => each.redraw()),
    leave: () => {
      watcher.disconnect();
      removeEventListener("scroll", scrolled);
    },
  };
}

// Some images of the wall. Before they are loaded, they take the room that they will need by an estimate.
function createSection(wall, number, count, state, load) {
  const place = element("div", { class: "section" });
  let images = null;
  let drawn = false;
  const section = { element: place, first: number * SECTION, count, fill, enter, leave, redraw, estimate };
  estimate();
  return section;

  function fill(loaded) {
    images = loaded;
    place.style.setProperty("height", "auto");
    draw();
  }
  async function enter() {
    if (drawn) return;
    if (images) return draw();
    drawn = true; // asked for
    try {
      const loaded = (await load(section.first)).images;
      drawn = false;
      fill(loaded);
    } catch (error) {
      drawn = false;
      if (error.name !== "AbortError") throw error;
    }
  }
  function leave() {
    if (!images || !drawn || place.contains(document.activeElement)) return;
    place.style.setProperty("height", `${place.offsetHeight}px`);
    place.replaceChildren();
    drawn = false;
  }
  function redraw() {
    if (images && drawn) draw();
    else estimate();
  }
  function draw() {
    const rows = justify(images.map(shapeOf), wallWidth(wall), rowHeight(), GAP);
    let next = 0;
    place.replaceChildren(
      ...rows.map(({ images: length, height }) => {
        const row = images.slice(next, next + length);
        next += length;
        return element(
          "div",
          { class: "row" },
          row.map((image) =>
            tile(image, state, {
              class: isSelected(image.id) ? "selected" : "",
              style: { width: `${(shapeOf(image) * height).toFixed(2)}px`, height: `${height.toFixed(2)}px` },
            }),
          ),
        );
      }),
    );
    place.style.setProperty("height", "auto");
    drawn = true;
    roam(wall);
  }
  function estimate() {
    const width = (wall.clientWidth || document.documentElement.clientWidth - 32) + GAP;
    const rows = Math.max(1, Math.round((count * 1.25 * rowHeight()) / width));
    place.style.setProperty("height", `${rows * (rowHeight() + GAP)}px`);
  }
}

const wallWidth = (wall) => (wall.clientWidth || document.documentElement.clientWidth - 32) - 0.5;

function rowHeight() {
  const chosen = SIZES[localStorage.getItem("tiles")] ?? SIZES.medium;
  return innerWidth < 640 ? chosen * 0.62 : chosen;
}

// Draw sections that come near the screen, and empty those that leave it.
function watch(sections) {
  const byElement = new Map(sections.map((each) => [each.element, each]));
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) byElement.get(target).enter();
        else byElement.get(target).leave();
      }
    },
    { rootMargin: MARGIN },
  );
  sections.forEach((each) => watcher.observe(each.element));
  return watcher;
}

// Where the reader is: the first image of the first row on the screen. It goes into the address, so that Back returns.
function showPlace(wall, sections, place, total, state) {
  const top = document.querySelector(".bar").offsetHeight;
  const section = sections.find((each) => each.element.getBoundingClientRect().bottom > top + 8) ?? sections.at(-1);
  const tiles = [...section.element.querySelectorAll(".tile")];
  const visible = tiles.findIndex((each) => each.getBoundingClientRect().bottom > top + 8);
  const first = section.first + Math.max(0, visible);
  place.textContent = `${formatNumber(first + 1)} of ${formatNumber(total)}`;
  const from = first > 0 && scrollY > 0 ? first : 0;
  if (from !== state.from) {
    state.from = from;
    history.replaceState(history.state, "", linkTo(state));
  }
}

function scrollToImage(sections, from) {
  const section = sections[Math.floor(from / SECTION)];
  const tileElement = section?.element.querySelectorAll(".tile")[from - section.first];
  const top = document.querySelector(".bar").offsetHeight;
  if (section) scrollTo(0, (tileElement ?? section.element).getBoundingClientRect().top + scrollY - top - 8);
}

function toolbar(state, go, place, redraw) {
  const order = element(
    "label",
    {},
    element("span", {}, "Order "),
    element(
      "select",
      { name: "order", "aria-label": "Order", onchange: (event) => go({ ...state, order: event.target.value, from: 0 }, { keep: "order" }) },
      ORDERS.map((each) => element("option", { value: each, selected: each === state.order }, ORDER_NAMES[each])),
    ),
  );
  const size = element(
    "label",
    {},
    element("span", {}, "Tiles "),
    element(
      "select",
      {
        name: "tiles",
        "aria-label": "Height of the tiles",
        onchange: (event) => {
          localStorage.setItem("tiles", event.target.value);
          redraw();
        },
      },
      Object.keys(SIZES).map((each) =>
        element("option", { value: each, selected: each === (localStorage.getItem("tiles") ?? "medium") }, each),
      ),
    ),
  );
  return [order, size, place];
}

function emptyMessage(state, statistics) {
  if (isFiltered(state)) {
    return message(
      "No image matches the filters.",
      element("a", { href: linkTo(withoutFilters(state)) }, `Show all ${formatCount(statistics.images, "image")}`),
    );
  }
  return message(
    "This index has no images yet.",
    element("code", {}, `infomax index PHOTOS --index ${statistics.name}`),
  );
}
