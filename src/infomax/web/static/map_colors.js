// What the points of the map are colored by: clusters, labels, folders, the date, or how unlike others they are.

const MAX_EQUAL_STEPS = 12; // up to this many groups, the hues divide the color circle evenly
const GOLDEN_ANGLE = 137.508; // degrees: successive multiples of it stay apart on the color circle
const RAMP_STEPS = 24; // colors from the lowest to the highest value

// The colorings that a map allows, by name: { title, of, names, counts, medoids } for groups, or { title, of, ends } for
// a ramp. `of` has the index of the group or step of each point, or -1.
export function coloringsOf(map, root) {
  const found = {};
  if (map.clusters.length) {
    const names = map.clusters.map(({ name }, index) => name ?? String(index + 1));
    const medoids = map.clusters.map((cluster) => cluster.medoids[0]);
    found.cluster = groups("Cluster", names, map.cluster, { medoids, sizes: map.clusters.map(({ size }) => size) });
  }
  if (map.labels.length) found.label = groups("Label", map.labels, map.label);
  const folders = foldersOf(map, root);
  if (folders.names.length > 1 || (folders.names.length && !map.labels.length)) {
    found.folder = groups("Folder", folders.names, folders.of);
  }
  if (map.taken.length) {
    const known = map.taken.filter((each) => each !== null).sort((a, b) => a - b);
    found.date = ramp("Date", ranksOf(map.taken, known), [known[0], known.at(-1)].map(formatDate));
  }
  found.outlier = ramp("Outlier score", map.outlier, ["typical", "odd"]);
  return found;
}

function groups(title, names, of, more = {}) {
  const counts = new Array(names.length).fill(0);
  for (const index of of) if (index >= 0) counts[index]++;
  return { title, names, of, counts: more.sizes ?? counts, ...more };
}

function ramp(title, values, ends) {
  const step = (value) => (value === null ? -1 : Math.min(RAMP_STEPS - 1, Math.floor(value * RAMP_STEPS)));
  return { title, of: values.map(step), ends };
}

// The place of each value among all known ones, in 0..1: times of photos lie in heaps, ranks do not.
function ranksOf(values, sorted) {
  const most = Math.max(1, sorted.length - 1);
  const rankOf = new Map(sorted.map((value, rank) => [value, rank / most]));
  return values.map((value) => (value === null ? null : rankOf.get(value)));
}

const formatDate = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);

// The folders right below the root.
function foldersOf(map, root) {
  const start = `${root}/`;
  const tops = map.folders.map((folder) => (folder.startsWith(start) ? folder.slice(start.length).split("/")[0] : null));
  const names = [...new Set(tops)].filter((name) => name !== null).sort();
  const indices = tops.map((name) => names.indexOf(name));
  return { names, of: map.folder.map((index) => (index < 0 ? -1 : indices[index])) };
}

// The colors of a coloring.
export function colorsOf(coloring, isDark) {
  if (!coloring.names) return Array.from({ length: RAMP_STEPS }, (_, step) => rampColor(step / (RAMP_STEPS - 1), isDark));
  return coloring.names.map((_, index) => groupColor(index, coloring.names.length, isDark));
}

// The color of a group. Groups that follow each other in the legend have clearly different colors.
export function groupColor(index, count, isDark) {
  const hue = count <= MAX_EQUAL_STEPS ? (360 * index) / count + 15 : (GOLDEN_ANGLE * index) % 360;
  const lightness = isDark ? [0.76, 0.68][index % 2] : [0.62, 0.52][index % 2];
  return `oklch(${lightness} ${isDark ? 0.13 : 0.16} ${hue.toFixed(1)})`;
}

// A color between blue (0) and orange (1), over a pale middle: told apart by all kinds of color vision.
function rampColor(value, isDark) {
  const [low, high] = isDark ? [0.5, 0.82] : [0.45, 0.72];
  const hue = value < 0.5 ? 262 : 55;
  const chroma = 0.03 + 0.28 * Math.abs(value - 0.5);
  return `oklch(${(low + (high - low) * value).toFixed(3)} ${chroma.toFixed(3)} ${hue})`;
}
