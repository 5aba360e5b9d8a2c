// Map: all images as points of a plane. At every zoom, one image stands for each cell of a grid.

import { toNeighbors } from "./address.js";
import { filtersOf, request, requestComputed } from "./api.js";
import { announce, element, formatCount, formatNumber, message } from "./elements.js";
import { MapAddress } from "./map_address.js";
import { MapCard } from "./map_card.js";
import { THUMBNAIL_SIDE } from "./map_cells.js";
import { coloringsOf, colorsOf } from "./map_colors.js";
import { keyBindings, listenToPointer } from "./map_input.js";
import { Legend } from "./map_legend.js";
import { ClusterNames } from "./map_names.js";
import { Points } from "./map_points.js";
import { Thumbnails } from "./map_thumbnails.js";
import { Plot } from "./plot.js";
import { isSelected, onSelectionChange, select as addToSelection, selectedIds } from "./selection.js";

const RELOAD_DELAY = 4000; // milliseconds until a map that is out of date is asked for again
const ZOOM_STEP = 1.8; // factor of the zoom buttons
const ZOOM_FRAMES = 12; // frames of animation for one press of a zoom button
const CLUSTER_MARGIN = 0.02; // of the map, around a cluster that one zooms to

let lastPlace = null; // of the last visit; an address without a place leads back to it

export async function show(view, state, context) {
  if (!context.statistics.images) {
    view.replaceChildren(message("There is no map because this index has no images yet."));
    return { title: "Map" };
  }
  const { signal } = context;
  const waiting = (count) => view.replaceChildren(computingMessage(count));
  const map = await requestComputed("api/map", {}, { signal, waiting });
  const { ids } = await request("api/map/excluded", filtersOf(state), { signal });
  return new MapView(view, state, context, map, ids).parts();
}

class MapView {
  constructor(view, state, { go, signal, statistics }, map, excluded) {
    Object.assign(this, { state, go, signal, map });
    this.darkScheme = matchMedia("(prefers-color-scheme: dark)");
    this.address = new MapAddress();
    this.colorings = coloringsOf(map, statistics.root);
    const { at, color, shown } = this.address.read();
    this.color = color in this.colorings ? color : Object.keys(this.colorings)[0];
    this.shown = shown;
    this.filtered = filteredOut(map, excluded);
    this.build(view);
    this.plot.viewport.goTo(at ?? lastPlace);
    this.recolor();
    this.listen();
    announce(`Map of ${formatCount(map.images, "image")}`);
    view.plot = this.plot; // the tests read the positions of points here
  }

  // Make the elements of the view.
  build(view) {
    const { map } = this;
    this.canvas = createCanvas(map.images);
    this.container = element("div", { class: "map" }, this.canvas);
    view.dataset.view = "map"; // the style sets the size of the canvas
    view.replaceChildren(element("h1", { class: "visually-hidden" }, "Map"), this.container);
    this.plot = this.createPlot();
    this.card = new MapCard(this.plot, map, (i) => this.groupName(i), this.state, this.signal);
    this.legend = new Legend(this.colorings, this.color, (choice) => this.choose(choice));
    this.names = new ClusterNames(map.clusters, this.clusterColors(), (cluster) => this.zoomTo(cluster));
    this.lassoButton = button("◌", "Lasso: draw a line around images to select them (L)", () => this.toggleLasso());
    this.lassoButton.setAttribute("aria-pressed", "false");
    const note = noteOf(map);
    const parts = [this.names.element, this.tools(), this.legend.element, note, this.card.element];
    this.container.append(...parts.filter(Boolean));
  }

  createPlot() {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    const { ids, x, y, outlier, clusters } = this.map;
    const density = Math.min(2, devicePixelRatio || 1);
    const plot = new Plot(this.canvas, {
      points: new Points(x, y, outlier),
      clusters,
      theme: {
        background: color("--background"),
        dimmed: color("--border"),
        other: color("--muted"),
        text: color("--text"),
        accent: color("--accent"),
      },
      thumbnails: new Thumbnails(ids, density, this.signal, () => plot.redraw()),
      isMarked: (i) => isSelected(ids[i]),
      onmove: () => this.remember(),
    });
    plot.hasMarks = selectedIds().length > 0;
    const side = { width: THUMBNAIL_SIDE, height: THUMBNAIL_SIDE };
    plot.ondraw = (viewport, drawn) => this.names.place(viewport, drawn.map(({ x, y }) => ({ x, y, ...side })));
    return plot;
  }

  tools() {
    return element(
      "div",
      { class: "tools", role: "group", "aria-label": "Map" },
      button("+", "Zoom in (+)", () => this.zoom(ZOOM_STEP)),
      button("−", "Zoom out (−)", () => this.zoom(1 / ZOOM_STEP)),
      button("⤢", "Show the whole map (0)", () => this.plot.move((viewport) => viewport.reset())),
      this.lassoButton,
    );
  }

  listen() {
    const { plot, canvas, darkScheme, signal } = this;
    listenToPointer(canvas, plot, {
      select: (i) => this.card.select(i),
      open: (i) => this.open(i),
      lasso: (line) => this.selectWithin(line),
      isLassoMode: () => this.container.classList.contains("lasso"),
    });
    const flush = () => this.address.flush();
    for (const event of ["click", "keydown"]) document.addEventListener(event, flush, { capture: true, signal });
    this.container.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !this.container.classList.contains("lasso")) return;
      event.stopPropagation(); // elsewhere this key leaves the view
      this.toggleLasso();
    });
    this.observer = new ResizeObserver(() => plot.resize(this.insets()));
    this.observer.observe(this.container);
    this.observer.observe(this.legend.element);
    this.reload = () => this.go(this.state, { replace: true });
    darkScheme.addEventListener("change", this.reload);
    this.timer = this.map.current ? 0 : setTimeout(this.reload, RELOAD_DELAY);
    this.unsubscribe = onSelectionChange(() => {
      plot.hasMarks = selectedIds().length > 0;
      plot.redraw();
    });
  }

  parts() {
    const actions = {
      select: (i) => this.card.select(i),
      open: (i) => this.open(i),
      toggleLasso: () => this.toggleLasso(),
    };
    return { title: "Map", keys: keyBindings(this.canvas, this.plot, actions), leave: () => this.leave() };
  }

  leave() {
    clearTimeout(this.timer);
    this.observer.disconnect();
    this.darkScheme.removeEventListener("change", this.reload);
    this.unsubscribe();
    this.address.stop();
    this.plot.stop();
  }

  // Pixels that the legend covers: at the left, or at the bottom of a narrow screen.
  insets() {
    const legend = this.legend.element.getBoundingClientRect();
    const isBelow = legend.width > 0.6 * this.container.clientWidth;
    return isBelow ? { bottom: legend.height } : { left: legend.right - this.container.getBoundingClientRect().left };
  }

  choose({ color, shown }) {
    [this.color, this.shown] = [color, shown];
    this.address.write({ color: color === Object.keys(this.colorings)[0] ? null : color, shown });
    this.recolor({ keepLegend: shown.length > 0 });
  }

  recolor({ keepLegend = false } = {}) {
    const coloring = this.colorings[this.color];
    const colors = colorsOf(coloring, this.darkScheme.matches);
    if (!keepLegend) this.legend.fill(coloring, colors, this.shown);
    const clusterColors = this.color === "cluster" ? colors : null;
    this.plot.recolor({ groups: coloring.of, colors, dimmed: this.dimmed(coloring), clusterColors });
  }

  // Which points are dimmed (1): those that the filters exclude, and those of groups that are not shown.
  dimmed({ of }) {
    if (!this.shown.length) return this.filtered;
    const shown = new Set(this.shown);
    return Uint8Array.from(of, (group, i) => (!shown.has(group) || this.filtered?.[i] ? 1 : 0));
  }

  clusterColors() {
    return this.colorings.cluster ? colorsOf(this.colorings.cluster, this.darkScheme.matches) : [];
  }

  groupName(i) {
    const { names, of } = this.colorings[this.color];
    if (!names || of[i] < 0) return null;
    if (this.color === "folder") return `in ${names[of[i]]}`;
    const isNumber = this.color === "cluster" && this.map.clusters[of[i]].name === null;
    return isNumber ? `Cluster ${names[of[i]]}` : names[of[i]];
  }

  open(i) {
    if (i < 0) return;
    this.address.flush();
    this.go(toNeighbors(this.state, this.map.ids[i]), { focus: true, preview: null });
  }

  remember() {
    lastPlace = this.plot.viewport.place;
    this.address.write({ at: lastPlace });
  }

  zoom(factor) {
    this.card.select(-1);
    const frames = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1 : ZOOM_FRAMES;
    let done = 0;
    const next = () => {
      if (this.signal.aborted) return;
      this.plot.move((viewport) => viewport.zoomBy(factor ** (1 / frames)));
      if (++done < frames) requestAnimationFrame(next);
    };
    next();
  }

  zoomTo({ outline }) {
    const xs = outline[0].filter((_, index) => index % 2 === 0);
    const ys = outline[0].filter((_, index) => index % 2 === 1);
    const box = { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
    for (const side of ["left", "top"]) box[side] -= CLUSTER_MARGIN;
    for (const side of ["right", "bottom"]) box[side] += CLUSTER_MARGIN;
    this.card.select(-1);
    this.plot.move((viewport) => viewport.show(box));
    this.canvas.focus({ preventScroll: true });
  }

  toggleLasso() {
    const isOn = this.container.classList.toggle("lasso");
    this.lassoButton.setAttribute("aria-pressed", String(isOn));
    announce(isOn ? "Lasso: draw a line around images to select them" : "Lasso off");
  }

  // Select the images within a closed line of pixels.
  selectWithin(line) {
    const corners = line.map(([x, y]) => this.plot.viewport.toMap(x, y));
    const found = this.plot.points.within(corners, this.plot.isFound);
    addToSelection(found.map((i) => this.map.ids[i]));
    announce(`${formatCount(found.length, "image")} in the lasso, ${formatNumber(selectedIds().length)} selected`);
  }
}

function createCanvas(count) {
  const label =
    `Map of ${formatCount(count, "image")}. Similar images lie close together. The arrow keys move the map. ` +
    "Plus and minus zoom. 0 shows all images. Enter opens the image in the middle. L turns the lasso on and off.";
  return element("canvas", { tabindex: 0, role: "application", "aria-label": label });
}

const button = (text, label, onclick) =>
  element("button", { type: "button", "aria-label": label, title: label, onclick }, text);

// Which points the filters exclude (1) or include (0), or null if all are included.
function filteredOut(map, excluded) {
  if (!excluded.length) return null;
  const ids = new Set(excluded);
  return Uint8Array.from(map.ids, (id) => (ids.has(id) ? 1 : 0));
}

// What must be said about the map, or null.
function noteOf(map) {
  const isSample = map.ids.length < map.images;
  const sample = `${formatNumber(map.ids.length)} of ${formatCount(map.images, "image")} are on this map.`;
  const outdated = "The images have changed. A new map is being computed.";
  const texts = [!map.current && outdated, isSample && sample].filter(Boolean);
  return texts.length ? element("p", { class: "note" }, texts.join(" ")) : null;
}

function computingMessage(count) {
  return element(
    "div",
    { class: "message", role: "status" },
    element("div", { class: "spinner", "aria-hidden": "true" }),
    element("h1", {}, `Computing the map of ${formatCount(count, "image")}…`),
    element("p", {}, "The map is computed only once. The wall and the search work in the meantime."),
  );
}
