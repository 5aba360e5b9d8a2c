// Dots drawn directly into the pixels of a canvas: a path of tens of thousands of arcs takes a hundred times as long.

const SHADES = 4; // levels of coverage of a pixel by a disc, for smooth edges

export class Dots {
  #context;
  #background;

  constructor(context, background) {
    this.#context = context;
    this.#background = shadesOf(background, background)[SHADES];
    this.resize();
  }

  // Adapt to the present size of the canvas.
  resize() {
    const { width, height } = this.#context.canvas;
    this.image = this.#context.createImageData(Math.max(1, width), Math.max(1, height));
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  clear() {
    this.pixels.fill(this.#background);
  }

  // A brush for `draw`: a disc in a color.
  brush(color, background, diameter) {
    const { reach, columns, rows, levels } = discStencil(Math.max(2, Math.round(diameter)));
    const offsets = Int32Array.from(rows, (row, index) => row * this.image.width + columns[index]);
    return { reach, offsets, levels, shades: shadesOf(color, background) };
  }

  // Draw a disc around the pixel (px, py). Discs that are not completely in view are left out.
  draw({ reach, offsets, levels, shades }, px, py) {
    const { width, height } = this.image;
    if (px < reach || py < reach || px >= width - reach || py >= height - reach) return;
    const center = py * width + px;
    for (let k = 0; k < offsets.length; k++) this.pixels[center + offsets[k]] = shades[levels[k]];
  }

  show() {
    this.#context.putImageData(this.image, 0, 0);
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

const known = new Map(); // shades of pairs of colors that were asked for before

// A color over the background at each level of coverage, as the 32 bits of a pixel.
function shadesOf(color, background) {
  const key = `${color} on ${background}`;
  if (!known.has(key)) known.set(key, mix(color, background));
  return known.get(key);
}

function mix(color, background) {
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
