// Tens of thousands of points on a canvas: where they are, how they are drawn, and which one is near the pointer.

const CELLS = 96; // along each side of the plane, for finding the nearest point
const LARGEST = 400; // times the whole map
const FEW = 140; // points in view from which on they are drawn as images
const REACH = 14; // pixels from the pointer within which a point counts as meant

const LEVELS = 4; // of how much of a pixel a disc covers

export class Plot {
  // groups: for each point the place of its color in colors; dimmed ones are drawn first and never found.
  constructor(canvas, { x, y, groups, dimmed, colors, faint, paper, imageOf }) {
    Object.assign(this, { canvas, groups, dimmed, colors, faint, paper, imageOf });
    this.x = Float32Array.from(x);
    this.y = Float32Array.from(y);
    this.context = canvas.getContext("2d", { alpha: false });
    this.chosen = -1;
    this.scheduled = 0;
    this.order = this.#byColor();
    this.shades = [paper, faint, ...colors].map((color) => shadesOf(color, paper));
    this.#fillCells();
    this.resize();
    this.reset();
  }

  #byColor() {
    const lists = [[], ...this.colors.map(() => [])];
    for (let i = 0; i < this.x.length; i++) lists[this.dimmed?.[i] ? 0 : this.groups[i] + 1].push(i);
    return lists.map((list) => Uint32Array.from(list));
  }

  #fillCells() {
    this.cells = Array.from({ length: CELLS * CELLS }, () => []);
    for (let i = 0; i < this.x.length; i++) {
      if (!this.dimmed?.[i]) this.cells[this.#cell(this.y[i]) * CELLS + this.#cell(this.x[i])].push(i);
    }
  }

  #cell(value) {
    return Math.min(CELLS - 1, Math.max(0, Math.floor(value * CELLS)));
  }

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

  reset() {
    this.scale = Math.max(1, Math.min(this.width, this.height) - 48); // pixels for the whole map
    this.least = this.scale / 2;
    this.left = (this.width - this.scale) / 2;
    this.top = (this.height - this.scale) / 2;
    this.redraw();
  }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.#keepInSight();
    this.redraw();
  }

  // So that the point of the map under (px, py) stays there.
  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const scale = Math.min(this.least * 2 * LARGEST, Math.max(this.least, this.scale * factor));
    const by = scale / this.scale;
    this.left = px - (px - this.left) * by;
    this.top = py - (py - this.top) * by;
    this.scale = scale;
    this.#keepInSight();
    this.redraw();
  }

  #keepInSight() {
    this.left = Math.min(this.width - 60, Math.max(60 - this.scale, this.left));
    this.top = Math.min(this.height - 60, Math.max(60 - this.scale, this.top));
  }

  // The place of the point nearest to a pixel, -1 where none is within reach.
  nearest(px, py, reach = REACH) {
    const [u, v, r] = [(px - this.left) / this.scale, (py - this.top) / this.scale, reach / this.scale];
    let best = -1;
    let least = r * r;
    for (let row = this.#cell(v - r); row <= this.#cell(v + r); row++) {
      for (let column = this.#cell(u - r); column <= this.#cell(u + r); column++) {
        for (const i of this.cells[row * CELLS + column]) {
          const far = (this.x[i] - u) ** 2 + (this.y[i] - v) ** 2;
          if (far <= least) [best, least] = [i, far];
        }
      }
    }
    return best;
  }

  placeOf(i) {
    return [this.left + this.x[i] * this.scale, this.top + this.y[i] * this.scale];
  }

  choose(i) {
    if (i === this.chosen) return;
    this.chosen = i;
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
    const seen = this.#drawDots();
    context.setTransform(density, 0, 0, density, 0, 0);
    if (seen.length <= FEW) for (const i of seen) this.#drawImage(i);
    if (this.chosen >= 0) this.#ring(this.chosen, seen.length <= FEW ? 40 : 8);
  }

  // Discs, written straight into the pixels: a path of tens of thousands of arcs takes a hundred times as long.
  // Returns the points in view, while they are few.
  #drawDots() {
    const { x, y, density, pixels } = this;
    const { width, height } = this.canvas;
    const [left, top, scale] = [this.left * density, this.top * density, this.scale * density];
    const zoomed = this.scale / (2 * this.least);
    const side = Math.min(9, Math.min(6, Math.max(2, 300 / Math.sqrt(x.length))) * zoomed ** 0.4);
    const { reach, columns, rows, levels } = stencil(Math.max(2, Math.round(side * density)));
    const offsets = rows.map((row, place) => row * width + columns[place]);
    const seen = [];
    pixels.fill(this.shades[0][LEVELS]);
    this.order.forEach((points, group) => {
      const shades = this.shades[group + 1];
      for (const i of points) {
        const px = Math.round(left + x[i] * scale);
        const py = Math.round(top + y[i] * scale);
        if (px < reach || py < reach || px >= width - reach || py >= height - reach) continue;
        if (group && seen.length <= FEW) seen.push(i);
        const base = py * width + px;
        for (let k = 0; k < offsets.length; k++) pixels[base + offsets[k]] = shades[levels[k]];
      }
    });
    this.context.putImageData(this.image, 0, 0);
    return seen;
  }

  #drawImage(i) {
    const image = this.imageOf(i, () => this.redraw());
    if (!image) return;
    const [px, py] = this.placeOf(i);
    const longest = Math.max(image.naturalWidth, image.naturalHeight);
    const [w, h] = [(52 * image.naturalWidth) / longest, (52 * image.naturalHeight) / longest];
    this.context.fillStyle = this.dimmed?.[i] ? this.faint : this.colors[this.groups[i]];
    this.context.fillRect(px - w / 2 - 2, py - h / 2 - 2, w + 4, h + 4);
    this.context.drawImage(image, px - w / 2, py - h / 2, w, h);
  }

  #ring(i, radius) {
    const [px, py] = this.placeOf(i);
    const { context } = this;
    context.beginPath();
    context.arc(px, py, radius, 0, 6.2832);
    context.lineWidth = 5;
    context.strokeStyle = this.paper;
    context.stroke();
    context.lineWidth = 2.5;
    context.strokeStyle = this.ink ?? "#888";
    context.stroke();
  }

  stop() {
    cancelAnimationFrame(this.scheduled);
    this.scheduled = -1;
  }
}

// The pixels of a disc around its middle, and how much of each it covers.
function stencil(diameter) {
  const reach = Math.ceil(diameter / 2) + 1;
  const [columns, rows, levels] = [[], [], []];
  for (let row = -reach; row <= reach; row++) {
    for (let column = -reach; column <= reach; column++) {
      const level = Math.round(LEVELS * Math.min(1, Math.max(0, diameter / 2 + 0.5 - Math.hypot(row, column))));
      if (level) {
        columns.push(column);
        rows.push(row);
        levels.push(level);
      }
    }
  }
  return { reach, columns, rows, levels };
}

// A color over the paper, from not at all to wholly, as the 32 bits of a pixel.
function shadesOf(color, paper) {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  return Array.from({ length: LEVELS + 1 }, (_, level) => {
    context.globalAlpha = 1;
    context.fillStyle = paper;
    context.fillRect(0, 0, 1, 1);
    context.globalAlpha = level / LEVELS;
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return new Uint32Array(context.getImageData(0, 0, 1, 1).data.buffer)[0];
  });
}
