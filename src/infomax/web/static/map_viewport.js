// The part of the map that is in view. The map is the unit square. It is stretched to the shape of the screen.

const LARGEST_ASPECT = 2.2; // the map is stretched at most so far in one direction
const PADDING = 0.05; // of the screen, empty on each side when the whole map is in view
const MIN_ZOOM = 0.5;
const MAX_ZOOM = 400; // 1 shows the whole map

export class Viewport {
  // insets: pixels at the left and at the bottom that something else covers.
  constructor(width = 1, height = 1, insets = {}) {
    [this.x, this.y, this.zoom] = [0.5, 0.5, 1]; // the point of the map in the middle of the screen, and the zoom
    this.resize(width, height, insets);
  }

  resize(width, height, { left = 0, bottom = 0 } = {}) {
    Object.assign(this, { width, height });
    const [freeWidth, freeHeight] = [Math.max(1, width - left), Math.max(1, height - bottom)];
    [this.middleX, this.middleY] = [left + freeWidth / 2, freeHeight / 2];
    this.fitX = Math.min(freeWidth, freeHeight * LARGEST_ASPECT) * (1 - 2 * PADDING);
    this.fitY = Math.min(freeHeight, freeWidth * LARGEST_ASPECT) * (1 - 2 * PADDING);
    this.#apply();
  }

  // Pixels of the whole map, and of its left and top edge, follow from the point in the middle and the zoom.
  #apply() {
    this.zoom = Math.min(MAX_ZOOM, Math.max(MIN_ZOOM, this.zoom));
    [this.x, this.y] = [this.x, this.y].map((value) => Math.min(1, Math.max(0, value)));
    [this.scaleX, this.scaleY] = [this.fitX * this.zoom, this.fitY * this.zoom];
    [this.left, this.top] = [this.middleX - this.x * this.scaleX, this.middleY - this.y * this.scaleY];
  }

  reset() {
    [this.x, this.y, this.zoom] = [0.5, 0.5, 1];
    this.#apply();
  }

  pan(dx, dy) {
    this.x -= dx / this.scaleX;
    this.y -= dy / this.scaleY;
    this.#apply();
  }

  // Zoom so that the point of the map at the pixel (px, py) stays in its place.
  zoomBy(factor, px = this.middleX, py = this.middleY) {
    const [x, y] = this.toMap(px, py);
    this.zoom *= factor;
    this.#apply();
    this.x = x - (px - this.middleX) / this.scaleX;
    this.y = y - (py - this.middleY) / this.scaleY;
    this.#apply();
  }

  // Show a rectangle of the map as large as possible.
  show({ left, top, right, bottom }) {
    [this.x, this.y] = [(left + right) / 2, (top + bottom) / 2];
    this.zoom = 1 / Math.max(right - left, bottom - top, 1 / MAX_ZOOM);
    this.#apply();
  }

  toScreen(x, y) {
    return [this.left + x * this.scaleX, this.top + y * this.scaleY];
  }

  toMap(px, py) {
    return [(px - this.left) / this.scaleX, (py - this.top) / this.scaleY];
  }

  // The rectangle of the map in view, and some pixels more on each side.
  bounds(margin = 0) {
    const [left, top] = this.toMap(-margin, -margin);
    const [right, bottom] = this.toMap(this.width + margin, this.height + margin);
    return { left, top, right, bottom };
  }

  // The place for the address, or null for the whole map.
  get place() {
    const isWhole = this.zoom === 1 && this.x === 0.5 && this.y === 0.5;
    const digits = 3 + Math.max(0, Math.ceil(Math.log10(this.zoom)));
    return isWhole ? null : `${this.x.toFixed(digits)},${this.y.toFixed(digits)},${this.zoom.toPrecision(4)}`;
  }

  // Go to a place from an address. What is not one is ignored.
  goTo(place) {
    const numbers = (place ?? "").split(",").map(Number);
    if (numbers.length !== 3 || !numbers.every(Number.isFinite)) return;
    [this.x, this.y, this.zoom] = numbers;
    this.#apply();
  }
}
