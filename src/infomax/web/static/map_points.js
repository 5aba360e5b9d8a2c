// The points of the map, sorted into buckets, so that those in a rectangle are found without a look at all others.

const BUCKETS = 128; // along each side of the map

const bucketOf = (value) => Math.min(BUCKETS - 1, Math.max(0, Math.floor(value * BUCKETS)));

export class Points {
  // x, y: position of each point, in 0..1. rank: the lower, the sooner a point stands for those around it.
  constructor(x, y, rank) {
    [this.x, this.y, this.rank] = [x, y, rank].map((values) => Float32Array.from(values));
    const bucket = Uint32Array.from(this.x, (value, i) => bucketOf(this.y[i]) * BUCKETS + bucketOf(value));
    this.starts = new Uint32Array(BUCKETS * BUCKETS + 1);
    for (const each of bucket) this.starts[each + 1]++;
    for (let each = 0; each < BUCKETS * BUCKETS; each++) this.starts[each + 1] += this.starts[each];
    this.order = new Uint32Array(bucket.length);
    const next = this.starts.slice();
    for (let i = 0; i < bucket.length; i++) this.order[next[bucket[i]]++] = i;
  }

  get length() {
    return this.x.length;
  }

  // The points in a rectangle, and a few around it: [from, to) in `order` for each row of buckets.
  runs({ left, top, right, bottom }) {
    const found = [];
    if (right < 0 || bottom < 0 || left > 1 || top > 1) return found;
    for (let row = bucketOf(top); row <= bucketOf(bottom); row++) {
      const from = this.starts[row * BUCKETS + bucketOf(left)];
      const to = this.starts[row * BUCKETS + bucketOf(right) + 1];
      if (from < to) found.push([from, to]);
    }
    return found;
  }

  // The point nearest to a position of the screen within `reach` pixels, or -1. `isFound` says which points count.
  nearest(viewport, px, py, reach, isFound) {
    const [left, top] = viewport.toMap(px - reach, py - reach);
    const [right, bottom] = viewport.toMap(px + reach, py + reach);
    let [nearest, minimum] = [-1, reach * reach];
    for (const [from, to] of this.runs({ left, top, right, bottom })) {
      for (let at = from; at < to; at++) {
        const i = this.order[at];
        const [x, y] = viewport.toScreen(this.x[i], this.y[i]);
        const distance = (x - px) ** 2 + (y - py) ** 2;
        if (distance <= minimum && isFound(i)) [nearest, minimum] = [i, distance];
      }
    }
    return nearest;
  }

  // The points within a closed line, given as positions [x, y] of the map.
  within(line, isFound) {
    const [xs, ys] = [line.map(([x]) => x), line.map(([, y]) => y)];
    const box = { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
    const found = [];
    for (const [from, to] of this.runs(box)) {
      for (let at = from; at < to; at++) {
        const i = this.order[at];
        if (isFound(i) && isWithin(this.x[i], this.y[i], line)) found.push(i);
      }
    }
    return found.sort((a, b) => a - b);
  }
}

// Whether a point lies within a closed line: a ray from it crosses the line an odd number of times.
export function isWithin(x, y, line) {
  let inside = false;
  for (let i = 0, before = line.length - 1; i < line.length; before = i++) {
    const [[x1, y1], [x2, y2]] = [line[i], line[before]];
    if (y1 > y !== y2 > y && x < x1 + ((x2 - x1) * (y - y1)) / (y2 - y1)) inside = !inside;
  }
  return inside;
}
