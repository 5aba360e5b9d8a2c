// Map: all images as points of a plane.

import { request } from "./api.js";
import { announce, element, formatCount, message } from "./elements.js";
import { toNeighbors } from "./address.js";
import { MapCard } from "./map_card.js";
import { groupsOf } from "./map_groups.js";
import { keyBindings, listenToPointer } from "./map_input.js";
import { groupColor, legend } from "./map_legend.js";
import { Plot } from "./plot.js";

const RETRY_DELAY = 1000; // milliseconds between requests while the map is being computed
const MAX_THUMBNAILS = 600; // thumbnails that are kept in memory for drawing
const ZOOM_STEP = 1.8; // factor of the zoom buttons
const ZOOM_FRAMES = 12; // frames of animation for one press of a zoom button

export async function show(view, state, context) {
  if (!context.statistics.images) {
    view.replaceChildren(message("There is no map because this index has no images yet."));
    return { title: "Map" };
  }
  const map = await fetchMap(view, context.signal);
  return drawMap(view, state, context, map);
}

// Get the map. Show a message while the server computes it.
async function fetchMap(view, signal) {
  let map = await request("api/map", {}, { signal });
  while (map.computing !== undefined) {
    view.replaceChildren(computingMessage(map.computing));
    await pause(RETRY_DELAY, signal);
    map = await request("api/map", {}, { signal });
  }
  return map;
}

function drawMap(view, state, { go, signal, statistics }, map) {
  const darkScheme = matchMedia("(prefers-color-scheme: dark)");
  const groups = groupsOf(map, statistics.root);
  const colors = groups.names.map((_, index) => groupColor(index, groups.names.length, darkScheme.matches));
  const canvas = createCanvas(map.ids.length);
  const container = element("div", { class: "map" }, canvas);
  view.replaceChildren(element("h1", { class: "visually-hidden" }, "Map"), container);

  const plot = createPlot(canvas, state, map, groups, colors);
  const card = new MapCard(plot, map, groups, state, signal);
  const select = (i) => card.select(i);
  const open = (i) => i >= 0 && go(toNeighbors(state, map.ids[i]), { focus: true, preview: null });
  const zoom = (factor) => {
    select(-1);
    animateZoom(plot, factor, signal);
  };
  const parts = [zoomButtons(plot, zoom), legend(state, groups, colors), !map.current && outdatedNote(), card.element];
  container.append(...parts.filter(Boolean));
  listenToPointer(canvas, plot, { select, open });
  const stopReloading = reloadOnChange(plot, canvas, darkScheme, map.current, () => go(state, { replace: true }));
  announce(`Map of ${formatCount(map.ids.length, "image")}`);
  view.plot = plot; // the tests read the positions of points here
  return {
    title: "Map",
    keys: keyBindings(canvas, plot, { select, open }),
    leave() {
      stopReloading();
      plot.stop();
    },
  };
}

function createCanvas(count) {
  const label =
    `Map of ${formatCount(count, "image")}. Similar images lie close together. The arrow keys move the map. ` +
    "Plus and minus zoom. 0 shows all images. Enter opens the image in the middle.";
  return element("canvas", { tabindex: 0, role: "application", "aria-label": label });
}

function createPlot(canvas, state, map, groups, colors) {
  const style = getComputedStyle(document.documentElement);
  const themeColor = (name) => style.getPropertyValue(name).trim();
  return new Plot(canvas, {
    x: map.x,
    y: map.y,
    groups: Int32Array.from(groups.of, (index) => (index < 0 ? groups.names.length : index)),
    dimmed: filteredOut(state, map),
    colors: [...colors, themeColor("--point")], // the last color is for images without a group
    dimmedColor: themeColor("--border"),
    background: themeColor("--background"),
    outline: themeColor("--text"),
    thumbnailOf: thumbnailCache(map.ids),
  });
}

// Which points the filters exclude (1) or include (0), or null if all are included.
function filteredOut(state, map) {
  if (state.folder === null && state.label === null) return null;
  const label = map.labels.indexOf(state.label);
  const isInside = map.folders.map((folder) => folder === state.folder || folder.startsWith(`${state.folder}/`));
  return Uint8Array.from(map.ids, (_, i) => {
    const hasLabel = state.label === null || map.label[i] === label;
    const isInFolder = state.folder === null || (map.folder[i] >= 0 && isInside[map.folder[i]]);
    return hasLabel && isInFolder ? 0 : 1;
  });
}

// A function that returns the thumbnail of a point, or null while it is loading. Then it calls `onload` afterwards.
function thumbnailCache(ids) {
  const images = new Map();
  return (i, onload) => {
    const known = images.get(i);
    if (known) return known.complete && known.naturalWidth ? known : null;
    if (images.size >= MAX_THUMBNAILS) images.delete(images.keys().next().value);
    const image = new Image();
    image.addEventListener("load", onload, { once: true });
    image.src = `api/thumbnails/${ids[i]}`;
    images.set(i, image);
    return null;
  };
}

function zoomButtons(plot, zoom) {
  const button = (text, label, onclick) =>
    element("button", { type: "button", "aria-label": label, title: label, onclick }, text);
  return element(
    "div",
    { class: "tools" },
    button("+", "Zoom in", () => zoom(ZOOM_STEP)),
    button("−", "Zoom out", () => zoom(1 / ZOOM_STEP)),
    button("⤢", "Show all", () => plot.reset()),
  );
}

function animateZoom(plot, factor, signal) {
  const frames = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1 : ZOOM_FRAMES;
  let done = 0;
  const next = () => {
    if (signal.aborted) return;
    plot.zoom(factor ** (1 / frames));
    if (++done < frames) requestAnimationFrame(next);
  };
  next();
}

// Resize the plot with the window. Reload the view if the color scheme changes, or a newer map may be ready.
// Returns a function that stops all of this.
function reloadOnChange(plot, canvas, darkScheme, isCurrent, reload) {
  const observer = new ResizeObserver(() => plot.resize());
  observer.observe(canvas);
  darkScheme.addEventListener("change", reload);
  const timer = isCurrent ? 0 : setTimeout(reload, 4 * RETRY_DELAY);
  return () => {
    clearTimeout(timer);
    observer.disconnect();
    darkScheme.removeEventListener("change", reload);
  };
}

const outdatedNote = () => element("p", { class: "note" }, "The images have changed. A new map is being computed.");

function computingMessage(count) {
  return element(
    "div",
    { class: "message", role: "status" },
    element("div", { class: "spinner", "aria-hidden": "true" }),
    element("h1", {}, `Computing the map of ${formatCount(count, "image")}…`),
    element("p", {}, "The map is computed only once. The wall and the search work in the meantime."),
  );
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("The view was left.", "AbortError"));
    });
  });
}
