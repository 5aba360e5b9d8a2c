// The legend of the map: labels or folders, and their colors.

import { element, formatCount, formatNumber } from "./elements.js";
import { linkTo, toMap, toWall } from "./address.js";

const MAX_GROUPS = 30; // groups in the legend
const MAX_EQUAL_STEPS = 12; // up to this many groups, the hues divide the color circle evenly
const GOLDEN_ANGLE = 137.508; // degrees: successive multiples of it stay apart on the color circle

// The legend, or null if there are no groups. `colors` has the color of each group.
export function legend(state, groups, colors) {
  if (!groups.names.length) return null;
  const counts = new Array(groups.names.length).fill(0);
  for (const index of groups.of) if (index >= 0) counts[index]++;
  const hidden = groups.names.length - MAX_GROUPS;
  return element(
    "ul",
    { class: "legend", "aria-label": groups.kind === "label" ? "Labels" : "Folders" },
    groups.names.slice(0, MAX_GROUPS).map((_, index) => legendEntry(state, groups, index, counts[index], colors[index])),
    hidden > 0 &&
      element("li", {}, element("a", { href: linkTo(toWall(state)) }, `and ${formatNumber(hidden)} more`)),
  );
}

function legendEntry(state, { kind, names, values }, index, count, color) {
  const isSelected = state[kind] === values[index];
  return element(
    "li",
    {},
    element(
      "a",
      {
        href: linkTo(toMap(state, { [kind]: isSelected ? null : values[index] })),
        "aria-current": isSelected && "true",
        title: `${formatCount(count, "image")}${isSelected ? `. Click to show all ${kind}s.` : ""}`,
      },
      element("i", { style: { background: color } }),
      names[index],
    ),
  );
}

// The color of a group. Groups that follow each other in the legend have clearly different colors.
export function groupColor(index, count, isDark) {
  const hue = count <= MAX_EQUAL_STEPS ? (360 * index) / count + 15 : (GOLDEN_ANGLE * index) % 360;
  const lightness = isDark ? [0.76, 0.68][index % 2] : [0.62, 0.52][index % 2];
  return `oklch(${lightness} ${isDark ? 0.13 : 0.16} ${hue.toFixed(1)})`;
}
