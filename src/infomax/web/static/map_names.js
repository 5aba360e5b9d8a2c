// Names of the clusters on the map, each beside the image that stands for it. A click shows the cluster alone.

import { element, formatCount } from "./elements.js";

const GAP = 4; // pixels between two names
const STEPS = [0, 1, -1, 2, -2].flatMap((row) => [0, 1, -1].map((column) => [40 * column, 26 * row]));
// How far a name may move, in pixels, so that it covers no thumbnail: the nearest places first.
STEPS.sort(([x1, y1], [x2, y2]) => Math.hypot(x1, y1) - Math.hypot(x2, y2));

const overlap = (a, b) =>
  Math.abs(a.x - b.x) < (a.width + b.width) / 2 + GAP && Math.abs(a.y - b.y) < (a.height + b.height) / 2 + GAP;

// Where names are drawn, the largest clusters first: [{ index, x, y }]. A name moves a little so that it covers no
// thumbnail, if it can. Names that would cover others are left out.
// names, thumbnails: [{ x, y, width, height }] with the middle of each in pixels.
export function placeNames(names, thumbnails, width, height) {
  const kept = [];
  names.forEach((name, index) => {
    if (name.x < 0 || name.y < 0 || name.x > width || name.y > height) return;
    const within = (value, side, whole) => Math.min(whole - side / 2, Math.max(side / 2, value));
    const places = STEPS.map(([dx, dy]) => ({
      ...name,
      index,
      x: within(name.x + dx, name.width, width),
      y: within(name.y + dy, name.height, height),
    }));
    const free = places.filter((place) => !kept.some((other) => overlap(place, other)));
    const best = free.find((place) => !thumbnails.some((other) => overlap(place, other))) ?? free[0];
    if (best) kept.push(best);
  });
  return kept.map(({ index, x, y }) => ({ index, x, y }));
}

export class ClusterNames {
  #clusters;
  #sizes = null; // of each name in pixels, measured once

  // zoomTo(cluster) is called on a click.
  constructor(clusters, colors, zoomTo) {
    this.#clusters = clusters;
    this.element = element(
      "div",
      { class: "names", role: "group", "aria-label": "Clusters" },
      clusters.map((cluster, index) => this.#name(cluster, index, colors[index], zoomTo)),
    );
  }

  #name(cluster, index, color, zoomTo) {
    const name = cluster.name ?? String(index + 1);
    return element(
      "button",
      {
        type: "button",
        style: { "border-color": color },
        "aria-label": `${cluster.name ?? `Cluster ${name}`}, ${formatCount(cluster.size, "image")}: zoom in`,
        onclick: () => zoomTo(cluster),
      },
      element("img", { src: `api/thumbnails/${cluster.medoids[0]}`, alt: "" }),
      element("span", {}, name),
    );
  }

  // Move the names to their places. thumbnails: [{ x, y, width, height }] in pixels.
  place(viewport, thumbnails) {
    const buttons = [...this.element.children];
    this.#sizes ??= buttons.map((button) => [button.offsetWidth, button.offsetHeight]);
    const boxes = this.#clusters.map(({ center }, index) => {
      const [x, y] = viewport.toScreen(...center);
      return { x, y, width: this.#sizes[index][0], height: this.#sizes[index][1] };
    });
    const places = placeNames(boxes, thumbnails, viewport.width, viewport.height);
    const shown = new Map(places.map((each) => [each.index, each]));
    buttons.forEach((button, index) => {
      const at = shown.get(index);
      button.classList.toggle("covered", !at);
      if (!at) return;
      const [left, top] = [at.x - this.#sizes[index][0] / 2, at.y - this.#sizes[index][1] / 2];
      button.style.setProperty("transform", `translate(${Math.round(left)}px, ${Math.round(top)}px)`);
    });
  }
}
