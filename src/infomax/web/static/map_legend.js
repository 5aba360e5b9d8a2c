// The legend of the map: labels and their colors.

import { element, formatCount, formatNumber } from "./elements.js";
import { linkTo, toMap, toWall } from "./address.js";

const MAX_LABELS = 30; // labels in the legend
const MAX_EQUAL_STEPS = 12; // up to this many labels, the hues divide the color circle evenly
const GOLDEN_ANGLE = 137.508; // degrees: successive multiples of it stay apart on the color circle

// The legend, or null if there are no labels. `colors` has the color of each label.
export function legend(state, map, colors) {
  if (!map.labels.length) return null;
  const counts = new Array(map.labels.length).fill(0);
  for (const index of map.label) if (index >= 0) counts[index]++;
  const hidden = map.labels.length - MAX_LABELS;
  return element(
    "ul",
    { class: "legend", "aria-label": "Labels" },
    map.labels.slice(0, MAX_LABELS).map((label, index) => legendEntry(state, label, counts[index], colors[index])),
    hidden > 0 &&
      element("li", {}, element("a", { href: linkTo(toWall(state)) }, `and ${formatNumber(hidden)} more`)),
  );
}

function legendEntry(state, label, count, color) {
  const isSelected = state.label === label;
  return element(
    "li",
    {},
    element(
      "a",
      {
        href: linkTo(toMap(state, { label: isSelected ? null : label })),
        "aria-current": isSelected && "true",
        title: `${formatCount(count, "image")}${isSelected ? ". Click to show all labels." : ""}`,
      },
      element("i", { style: { background: color } }),
      label,
    ),
  );
}

// The color of a label. Labels that follow each other in the legend have clearly different colors.
export function labelColor(index, count, isDark) {
  const hue = count <= MAX_EQUAL_STEPS ? (360 * index) / count + 15 : (GOLDEN_ANGLE * index) % 360;
  const lightness = isDark ? [0.76, 0.68][index % 2] : [0.62, 0.52][index % 2];
  return `oklch(${lightness} ${isDark ? 0.13 : 0.16} ${hue.toFixed(1)})`;
}
