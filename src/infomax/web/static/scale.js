// What a distance means: how often two images that are paired at random are as near.

import { element, formatNumber } from "./elements.js";

export const CHANCE = 0.05; // share of random pairs from which on matches are no longer worth much
const LEAST = 1e-5; // least share that is told apart

// The share of random pairs within a distance, by interpolation; never less than one of the pairs that were measured.
// `scale` is what /api/statistics says.
export const shareWithin = (scale, distance) => Math.max(interpolated(scale, distance), 1 / scale.pairs);

function interpolated({ shares, distances }, distance) {
  if (distance >= distances.at(-1)) return 1;
  const above = distances.findIndex((each) => each > distance);
  if (above <= 0) return 0;
  const [low, high] = [distances[above - 1], distances[above]];
  return shares[above - 1] + ((shares[above] - shares[above - 1]) * (distance - low)) / (high - low);
}

export function shareInWords(share) {
  if (share <= LEAST) return "nearer than all but 1 in 100,000 random pairs";
  if (share < 0.5) return `nearer than all but 1 in ${formatNumber(rounded(1 / share))} random pairs`;
  return "no nearer than a random pair";
}

// 1 to 2 digits: nobody needs more of a share.
function rounded(value) {
  const power = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return Math.round(value / power) * power;
}

// A bar that is full for a copy, and empty for a random pair.
export function nearnessBar(share, text) {
  const part = Math.min(1, Math.log(Math.max(share, LEAST)) / Math.log(LEAST));
  return element(
    "span",
    { class: "nearness", title: text, role: "img", "aria-label": text },
    element("i", { style: { width: `${Math.round(100 * part)}%` } }),
  );
}
