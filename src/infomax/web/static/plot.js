// Draws the map on a canvas: dots, outlines of clusters, one thumbnail for each cell of a grid, and the lasso.

import { THUMBNAIL_SIDE, representatives } from "./map_cells.js";
import { Dots } from "./map_dots.js";
import { Viewport } from "./map_viewport.js";

const MOUSE_REACH = 14; // pixels from the pointer within which a point is found
const FRAME = 2; // pixels of color around a thumbnail
const SMALLEST_DOT = 2; // pixels
const LARGEST_DOT = 7;

export class Plot {
  // points: Points. clusters: [{ outline }]. theme: { background, dimmed, other, text }, colors.
  // thumbnails: Thumbnails. isMarked(i): whether a point is in the user's selection.
  constructor(canvas, { points, clusters, theme, thumbnails, isMarked, onmove }) {
    Object.assign(this, { canvas, points, clusters, theme, thumbnails, isMarked, onmove });
    this.context = canvas.getContext("2d", { alpha: false });
    this.viewport = new Viewport();
    this.dots = new Dots(this.context, theme.background);
    [this.selected, this.scheduled, this.lasso, this.insets] = [-1, 0, null, {}];
    [this.drawn, this.hasMarks] = [[], false];
    this.frames = 0; // drawn so far; the benchmark counts them
  }

  // Color the points: the index of the color of each, or -1, and which points are dimmed (1), or null for none.
  // clusterColors: of the outlines, or null for lines without color.
  recolor({ groups, colors, dimmed, clusterColors }) {
    Object.assign(this, { groups, dimmed, clusterColors });
    this.colors = [...colors, this.theme.other]; // the last one is for points without a group
    this.isFound = dimmed ? (i) => !dimmed[i] : () => true;
    this.redraw();
  }

  colorOf(i) {
    return this.colors[this.groups[i] < 0 ? this.colors.length - 1 : this.groups[i]];
  }

  // Adapt to the present size of the canvas. insets: pixels at the left and the bottom that something else covers.
  resize(insets = this.insets) {
    this.insets = insets;
    this.density = Math.min(2, devicePixelRatio || 1);
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.canvas.width = Math.max(1, Math.round(width * this.density));
    this.canvas.height = Math.max(1, Math.round(height * this.density));
    this.viewport.resize(width, height, insets);
    this.dots.resize();
    this.redraw();
  }

  // Change what is in view by a method of the viewport.
  move(change) {
    change(this.viewport);
    this.redraw();
    this.onmove();
  }

  get scale() {
    return this.viewport.scaleX;
  }

  // The position of a point, in pixels. A point with a thumbnail is where its thumbnail is.
  positionOf(i) {
    const drawn = this.drawn.find((each) => each.i === i);
    return drawn ? [drawn.x, drawn.y] : this.viewport.toScreen(this.points.x[i], this.points.y[i]);
  }

  // The point of the thumbnail at a pixel, or else the point nearest to it, or -1 if none is within reach.
  nearest(px, py, reach = MOUSE_REACH) {
    const half = THUMBNAIL_SIDE / 2;
    const on = ({ i, x, y }) => this.thumbnails.get(i) && Math.abs(x - px) <= half && Math.abs(y - py) <= half;
    return this.drawn.find(on)?.i ?? this.points.nearest(this.viewport, px, py, reach, this.isFound);
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
    this.drawn = representatives(this.points, this.viewport, this.isFound);
    this.thumbnails.want(this.drawn.map(({ i }) => i));
    this.#drawDots();
    this.context.setTransform(this.density, 0, 0, this.density, 0, 0);
    this.#drawOutlines();
    for (const each of this.drawn) this.#drawThumbnail(each);
    if (this.selected >= 0) this.#drawRing(this.selected);
    if (this.lasso) this.#drawLasso();
    this.frames++;
    this.ondraw?.(this.viewport, this.drawn);
  }

  // Dimmed points first, then the others, those of the selection with a ring.
  #drawDots() {
    const { points, dots, density, theme, viewport, dimmed, groups } = this;
    const diameter = this.#dotDiameter() * density;
    const dimmedBrush = dots.brush(theme.dimmed, theme.background, diameter);
    const ring = dots.brush(theme.text, theme.background, diameter + 4 * density);
    const brushes = this.colors.map((color) => dots.brush(color, theme.background, diameter));
    const [left, top] = [viewport.left * density, viewport.top * density];
    const [scaleX, scaleY] = [viewport.scaleX * density, viewport.scaleY * density];
    const runs = points.runs(viewport.bounds());
    const last = brushes.length - 1;
    dots.clear();
    for (const isForDimmed of dimmed ? [true, false] : [false]) {
      for (const [from, to] of runs) {
        for (let at = from; at < to; at++) {
          const i = points.order[at];
          if (dimmed && Boolean(dimmed[i]) !== isForDimmed) continue;
          const px = Math.round(left + points.x[i] * scaleX);
          const py = Math.round(top + points.y[i] * scaleY);
          if (this.hasMarks && this.isMarked(i)) dots.draw(ring, px, py);
          dots.draw(isForDimmed ? dimmedBrush : brushes[groups[i] < 0 ? last : groups[i]], px, py);
        }
      }
    }
    dots.show();
  }

  // The diameter of a point in pixels: smaller for many points, larger when zoomed in.
  #dotDiameter() {
    const usual = Math.min(5, Math.max(SMALLEST_DOT, 220 / Math.sqrt(this.points.length)));
    return Math.min(LARGEST_DOT, usual * Math.max(1, this.viewport.zoom) ** 0.4);
  }

  #drawOutlines() {
    const { context, viewport, theme, clusterColors } = this;
    context.lineWidth = 1.5;
    context.lineJoin = "round";
    this.clusters.forEach(({ outline }, index) => {
      context.beginPath();
      for (const curve of outline) smoothLine(context, curve, viewport);
      context.fillStyle = context.strokeStyle = clusterColors?.[index] ?? theme.other;
      context.globalAlpha = 0.07;
      context.fill("evenodd");
      context.globalAlpha = 0.65;
      context.stroke();
    });
    context.globalAlpha = 1;
  }

  #drawThumbnail({ i, x, y }) {
    const image = this.thumbnails.get(i);
    if (!image) return;
    const { context, density } = this;
    const [width, height] = [image.width / density, image.height / density];
    const isMarked = this.hasMarks && this.isMarked(i);
    const frame = isMarked ? FRAME + 2 : FRAME;
    context.fillStyle = isMarked ? this.theme.text : this.colorOf(i);
    context.beginPath();
    context.roundRect(x - width / 2 - frame, y - height / 2 - frame, width + 2 * frame, height + 2 * frame, 4);
    context.fill();
    context.drawImage(image, x - width / 2, y - height / 2, width, height);
  }

  #drawRing(i) {
    const [px, py] = this.positionOf(i);
    const { context } = this;
    const image = this.drawn.some((each) => each.i === i) && this.thumbnails.get(i);
    context.beginPath();
    if (image) {
      const [width, height] = [image.width / this.density + 8, image.height / this.density + 8];
      context.roundRect(px - width / 2, py - height / 2, width, height, 6);
    } else {
      context.arc(px, py, 8, 0, 2 * Math.PI);
    }
    for (const [lineWidth, color] of [[5, this.theme.background], [2.5, this.theme.text]]) {
      context.lineWidth = lineWidth;
      context.strokeStyle = color;
      context.stroke();
    }
  }

  // The line that the user draws around images.
  #drawLasso() {
    const { context } = this;
    context.beginPath();
    for (const [x, y] of this.lasso) context.lineTo(x, y);
    context.closePath();
    context.fillStyle = context.strokeStyle = this.theme.accent;
    context.globalAlpha = 0.12;
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = 2;
    context.setLineDash([6, 4]);
    context.stroke();
    context.setLineDash([]);
  }

  // Stop drawing for good.
  stop() {
    cancelAnimationFrame(this.scheduled);
    this.scheduled = -1;
  }
}

// Add a closed curve to the path: quadratic curves through the middles of its sides. curve: x, y, x, y ...
function smoothLine(context, curve, viewport) {
  const count = curve.length / 2;
  const at = (k) => viewport.toScreen(curve[2 * (k % count)], curve[2 * (k % count) + 1]);
  const middle = ([x1, y1], [x2, y2]) => [(x1 + x2) / 2, (y1 + y2) / 2];
  context.moveTo(...middle(at(count - 1), at(0)));
  for (let k = 0; k < count; k++) context.quadraticCurveTo(...at(k), ...middle(at(k), at(k + 1)));
  context.closePath();
}
