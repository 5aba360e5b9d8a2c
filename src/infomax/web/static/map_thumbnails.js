// Thumbnails for drawing on the map: loaded when wanted, reduced once, and forgotten when many others came after them.

import { THUMBNAIL_SIDE } from "./map_cells.js";

const MAX_KEPT = 1200; // thumbnails in memory
const MAX_LOADING = 12; // requests at a time
const PIXELATED_SIDE = 24; // images up to this many pixels wide and high are enlarged without blur

export class Thumbnails {
  #ids;
  #density;
  #onload;
  #signal;
  #kept = new Map(); // from a point to its thumbnail; null for one that cannot be shown
  #wanted = []; // points whose thumbnails are to be loaded next
  #loading = new Set();

  constructor(ids, density, signal, onload) {
    [this.#ids, this.#density, this.#signal, this.#onload] = [ids, density, signal, onload];
  }

  // The thumbnail of a point, or null if it is not there yet.
  get(i) {
    const thumbnail = this.#kept.get(i);
    if (thumbnail) {
      this.#kept.delete(i); // those used last are forgotten last
      this.#kept.set(i, thumbnail);
    }
    return thumbnail ?? null;
  }

  // Load the thumbnails of these points, and no longer those wanted before.
  want(points) {
    this.#wanted = points.filter((i) => !this.#kept.has(i) && !this.#loading.has(i)).reverse();
    while (this.#loading.size < MAX_LOADING && this.#wanted.length) this.#load(this.#wanted.pop());
  }

  async #load(i) {
    this.#loading.add(i);
    let thumbnail = null;
    try {
      const response = await fetch(`api/thumbnails/${this.#ids[i]}`, { signal: this.#signal });
      if (response.ok) thumbnail = reduce(await createImageBitmap(await response.blob()), this.#density);
    } catch {
      // An image without a thumbnail stays a dot.
    }
    this.#loading.delete(i);
    if (this.#signal.aborted) return;
    this.#kept.set(i, thumbnail);
    if (this.#kept.size > MAX_KEPT) this.#kept.delete(this.#kept.keys().next().value);
    this.#onload();
    if (this.#wanted.length) this.#load(this.#wanted.pop());
  }
}

// Reduce an image to the size in which it is drawn.
function reduce(bitmap, density) {
  const longest = Math.max(bitmap.width, bitmap.height);
  const size = [bitmap.width, bitmap.height].map((side) =>
    Math.max(1, Math.round((THUMBNAIL_SIDE * density * side) / longest)),
  );
  const canvas = new OffscreenCanvas(...size);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = longest > PIXELATED_SIDE;
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, ...size);
  bitmap.close();
  return canvas;
}
