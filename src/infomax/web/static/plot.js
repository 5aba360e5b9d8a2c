// Scatter plot of tens of thousands of points on a canvas: positions, drawing, and the point near the pointer.

const GRID_CELLS = 96; // cells along each side of the plane, for finding the nearest point
const MAX_ZOOM = 400; // relative to the whole map
const MAX_THUMBNAILS = 140; // up to this many points in view are drawn as images
const THUMBNAIL_SIDE = 52; // pixels
const MOUSE_REACH = 14; // pixels from the pointer within which a point is found
const MARGIN = 60; // pixels of the map that always stay in view

const SHADES = 4; // levels of coverage of a pixel by a disc, for smooth edges

export class Plot {
  // x, y: position of each point, in 0..1.
  // groups: index into `colors` for each point.
  // dimmed: 1 for points that are drawn first, in `dimmedColor`, and never found; or null.
  // thumbnailOf: function from a point to its image, or to null while it loads.
  constructor(canvas, { x, y, groups, dimmed, colors, dimmedColor, background, outline, thumbnailOf }) {
    Object.assign(this, { canvas, groups, dimmed, colors, dimmedColor, background, outline, thumbnailOf });
    this.x = Float32Array.from(x);
    this.y = Float32Array.from(y);
    this.context = canvas.getContext("2d", { alpha: false });
    this.selected = -1;
    this.scheduled = 0;
    this.order = this.#pointsByColor();
    this.shades = [background, dimmedColor, ...colors].map((color) => shadesOf(color, background));
    this.#fillCells();
    this.resize();
    this.reset();
  }

  // Points in the order of drawing: the dimmed ones, then one list for each color.
  #pointsByColor() {
    const lists = [[], ...this.colors.map(() => [])];
    for (let i = 0; i < this.x.length; i++) lists[this.dimmed?.[i] ? 0 : this.groups[i] + 1].push(i);
    return lists.map((list) => Uint32Array.from(list));
  }

  #fillCells() {
    this.cells = Array.from({ length: GRID_CELLS * GRID_CELLS }, () => []);
    for (let i = 0; i < this.x.length; i++) {
      if (!this.dimmed?.[i]) this.cells[this.#cell(this.y[i]) * GRID_CELLS + this.#cell(this.x[i])].push(i);
    }
  }

  #cell(value) {
    return Math.min(GRID_CELLS - 1, Math.max(0, Math.floor(value * GRID_CELLS)));
  }

  // Adapt to the present size of the canvas element.
  resize() {
    this.density = Math.min(2, devicePixelRatio || 1);
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.width * this.density);
    this.canvas.height = Math.round(this.height * this.density);
    this.image = this.context.createImageData(Math.max(1, this.canvas.width), Math.max(1, this.canvas.height));
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.redraw();
  }

  // Show the whole map.
  reset() {
    this.scale = Math.max(1, Math.min(this.width, this.height) - 48); // pixels of the whole map
    this.minScale = this.scale / 2;
    this.left = (this.width - this.scale) / 2;
    this.top = (this.height - this.scale) / 2;
    this.redraw();
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.#keepInView();
    this.redraw();
  }

  // Zoom so that the point of the map at (px, py) stays in its place.
  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const scale = Math.min(this.minScale * 2 * MAX_ZOOM, Math.max(this.minScale, this.scale * factor));
    const ratio = scale / this.scale;
    this.left = px - (px - this.left) * ratio;
    this.top = py - (py - this.top) * ratio;
    this.scale = scale;
    this.#keepInView();
    this.redraw();
  }

  #keepInView() {
    this.left = Math.min(this.width - MARGIN, Math.max(MARGIN - this.scale, this.left));
    this.top = Math.min(this.height - MARGIN, Math.max(MARGIN - this.scale, this.top));
  }

  // The point nearest to a pixel, or -1 if no point is within reach.
  nearest(px, py, reach = MOUSE_REACH) {
    const [x, y, radius] = [(px - this.left) / this.scale, (py - this.top) / this.scale, reach / this.scale];
    let nearest = -1;
    let minimum = radius * radius;
    for (let row = this.#cell(y - radius); row <= this.#cell(y + radius); row++) {
      for (let column = this.#cell(x - radius); column <= this.#cell(x + radius); column++) {
        for (const i of this.cells[row * GRID_CELLS + column]) {
          const distance = (this.x[i] - x) ** 2 + (this.y[i] - y) ** 2;
          if (distance <= minimum) [nearest, minimum] = [i, distance];
        }
      }
    }
    return nearest;
  }

  // The position of a point, in pixels.
  positionOf(i) {
    return [this.left + this.x[i] * this.scale, this.top + this.y[i] * this.scale];
  }

  // Mark a point with a ring. -1 marks no point.
  select(i) {
    if (i === this.selected) return;
    this.selected = i;
    this.redraw();
  }

  redraw() {
    this.scheduled ||= requestAnimationFrame(() => {
      this.scheduled = 0;
      this.draw();
    });
  }

  draw() {
    const { context, density } = this;
    const visible = this.#drawDots();
    const isClose = visible.length <= MAX_THUMBNAILS;
    context.setTransform(density, 0, 0, density, 0, 0);
    if (isClose) for (const i of visible) this.#drawThumbnail(i);
    if (this.selected >= 0) this.#drawRing(this.selected, isClose ? 40 : 8);
  }

  // Draw discs directly into the pixels: a path of tens of thousands of arcs takes a hundred times as long.
  // Returns the points in view. The list ends early if there are more than MAX_THUMBNAILS.
  #drawDots() {
    const { x, y, density, pixels } = this;
    const { width, height } = this.canvas;
    const [left, top, scale] = [this.left * density, this.top * density, this.scale * density];
    const { reach, columns, rows, levels } = discStencil(Math.max(2, Math.round(this.#dotSide() * density)));
    const offsets = rows.map((row, index) => row * width + columns[index]);
    const visible = [];
    pixels.fill(this.shades[0][SHADES]);
    this.order.forEach((points, group) => {
      const shades = this.shades[group + 1];
      for (const i of points) {
        const px = Math.round(left + x[i] * scale);
        const py = Math.round(top + y[i] * scale);
        if (px < reach || py < reach || px >= width - reach || py >= height - reach) continue;
        if (group && visible.length <= MAX_THUMBNAILS) visible.push(i);
        const center = py * width + px;
        for (let k = 0; k < offsets.length; k++) pixels[center + offsets[k]] = shades[levels[k]];
      }
    });
    this.context.putImageData(this.image, 0, 0);
    return visible;
  }

  // The diameter of a point in pixels: smaller for many points, larger when zoomed in.
  #dotSide() {
    const zoom = this.scale / (2 * this.minScale);
    return Math.min(9, Math.min(6, Math.max(2, 300 / Math.sqrt(this.x.length))) * zoom ** 0.4);
  }

  #drawThumbnail(i) {
    const image = this.thumbnailOf(i, () => this.redraw());
    if (!image) return;
    const [px, py] = this.positionOf(i);
    const longest = Math.max(image.naturalWidth, image.naturalHeight);
    const width = (THUMBNAIL_SIDE * image.naturalWidth) / longest;
    const height = (THUMBNAIL_SIDE * image.naturalHeight) / longest;
    this.context.fillStyle = this.dimmed?.[i] ? this.dimmedColor : this.colors[this.groups[i]];
    this.context.fillRect(px - width / 2 - 2, py - height / 2 - 2, width + 4, height + 4);
    this.context.drawImage(image, px - width / 2, py - height / 2, width, height);
  }

  #drawRing(i, radius) {
    const [px, py] = this.positionOf(i);
    const { context } = this;
    context.beginPath();
    context.arc(px, py, radius, 0, 6.2832);
    context.lineWidth = 5;
    context.strokeStyle = this.background;
    context.stroke();
    context.lineWidth = 2.5;
    context.strokeStyle = this.outline;
    context.stroke();
  }

  // Stop drawing for good.
  stop() {
    cancelAnimationFrame(this.scheduled);
    this.scheduled = -1;
  }
}

// The pixels of a disc relative to its center, and the level of coverage of each.
function discStencil(diameter) {
  const reach = Math.ceil(diameter / 2) + 1;
  const [columns, rows, levels] = [[], [], []];
  for (let row = -reach; row <= reach; row++) {
    for (let column = -reach; column <= reach; column++) {
      const level = Math.round(SHADES * Math.min(1, Math.max(0, diameter / 2 + 0.5 - Math.hypot(row, column))));
      if (level) {
        columns.push(column);
        rows.push(row);
        levels.push(level);
      }
    }
  }
  return { reach, columns, rows, levels };
}

// A color over the background at each level of coverage, as the 32 bits of a pixel.
function shadesOf(color, background) {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  return Array.from({ length: SHADES + 1 }, (_, level) => {
    context.globalAlpha = 1;
    context.fillStyle = background;
    context.fillRect(0, 0, 1, 1);
    context.globalAlpha = level / SHADES;
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return new Uint32Array(context.getImageData(0, 0, 1, 1).data.buffer)[0];
  });
}
