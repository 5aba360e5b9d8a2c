// Which images stand for those around them: one for each cell of a grid, at every zoom.

export const THUMBNAIL_SIDE = 64; // pixels of the longer side of a thumbnail
const SMALLEST_CELL = 76; // a cell is at least this many pixels wide and high, and hardly more than 1.5 times as many
const FRAME = 3; // pixels around a thumbnail

// The number of cells along one side of the map: 1, 2, 3, 4, 6, 8, 12, 16 ... While one zooms in by 2, each cell becomes
// four, and the image that stood for all of it stands for one of them. So images stay where they are.
export function cellCount(scale) {
  const most = Math.max(1, scale / SMALLEST_CELL);
  const power = 2 ** Math.floor(Math.log2(most));
  return power > 1 && most >= 1.5 * power ? 1.5 * power : power;
}

// Choose one point in each cell in view, the one of lowest rank. Returns [{ i, x, y }] with the middle of the thumbnail
// in pixels. It lies as close to the point as the cell allows, so that no two thumbnails overlap.
export function representatives(points, viewport, isFound) {
  const { x, y, rank, order } = points;
  const [columns, rows] = [cellCount(viewport.scaleX), cellCount(viewport.scaleY)];
  const [cellWidth, cellHeight] = [viewport.scaleX / columns, viewport.scaleY / rows];
  const clamp = (value, most) => Math.min(most - 1, Math.max(0, Math.floor(value)));
  const bounds = viewport.bounds();
  const [firstColumn, lastColumn] = [bounds.left, bounds.right].map((value) => clamp(value * columns, columns));
  const [firstRow, lastRow] = [bounds.top, bounds.bottom].map((value) => clamp(value * rows, rows));
  const across = lastColumn - firstColumn + 1;
  const best = new Int32Array(across * (lastRow - firstRow + 1)).fill(-1);
  const whole = {
    left: firstColumn / columns,
    right: (lastColumn + 1) / columns,
    top: firstRow / rows,
    bottom: (lastRow + 1) / rows,
  };
  for (const [from, to] of points.runs(whole)) {
    for (let at = from; at < to; at++) {
      const i = order[at];
      const column = clamp(x[i] * columns, columns) - firstColumn;
      const row = clamp(y[i] * rows, rows) - firstRow;
      if (column < 0 || row < 0 || column >= across || row > lastRow - firstRow || !isFound(i)) continue;
      const other = best[row * across + column];
      if (other < 0 || rank[i] < rank[other] || (rank[i] === rank[other] && i < other)) best[row * across + column] = i;
    }
  }
  const half = THUMBNAIL_SIDE / 2 + FRAME;
  const between = (value, low, high) => Math.min(high - half, Math.max(low + half, value));
  const found = [];
  best.forEach((i, cell) => {
    if (i < 0) return;
    const left = viewport.left + (firstColumn + (cell % across)) * cellWidth;
    const top = viewport.top + (firstRow + Math.floor(cell / across)) * cellHeight;
    const [px, py] = viewport.toScreen(x[i], y[i]);
    found.push({ i, x: between(px, left, left + cellWidth), y: between(py, top, top + cellHeight) });
  });
  return found;
}
