// Matches: one image and its nearest neighbors.

import { findMatches } from "./api.js";
import { announce, element, formatCount, formatNumber, message } from "./elements.js";
import { K_CHOICES, linkTo, toWall } from "./address.js";
import { fileName, folderName, grid, thumbnail, tile } from "./images.js";

const METRICS = { cosine: "Cosine", euclidean: "Euclidean" };
const COPIED_FOR = 2000; // milliseconds for which the button confirms the copy

const NOTICES = {
  gone: "The file was deleted. This is the thumbnail from the index.",
  changed: "The file has changed since it was indexed. This thumbnail and the neighbors belong to the indexed version.",
};

export async function show(view, state, { signal, go, statistics, preview, found: given }) {
  const found = given ?? (await findMatches(state, signal));
  const metric = found.metric === "cosine" ? "cosine" : "Euclidean";
  const heading = `${formatCount(found.matches.length, "neighbor")} by ${metric} distance`;
  const query = element(
    "section",
    { class: "query", "aria-label": "Your query" },
    found.query ? indexedQuery(found.query, state, statistics) : uploadedQuery(preview),
    controls(state, go),
  );
  view.replaceChildren(element("div", { class: "matches" }, query, neighbors(found, heading, state)));
  announce(heading);
  return { title: found.query ? fileName(found.query) : "Your image" };
}

function neighbors(found, heading, state) {
  const tiles = found.matches.map((match) => tile(match.image, state, match));
  return element(
    "section",
    { "aria-label": "Neighbors" },
    element(
      "h2",
      {},
      heading,
      !found.exact && element("span", { class: "note" }, " approximate: a few may be missing"),
    ),
    found.left_out > 0 && element("p", { class: "note" }, `${formatCount(found.left_out, "deleted image")} left out`),
    tiles.length ? grid(tiles, { class: "neighbors", "aria-label": heading }) : noNeighbors(state),
  );
}

function noNeighbors(state) {
  const isFiltered = state.folder !== null || state.label !== null;
  const everything = linkTo({ ...state, folder: null, label: null });
  const link = isFiltered && element("a", { href: everything }, "Search in all images");
  return message("There are no other images.", link);
}

// The query, if it is an image of the index.
function indexedQuery(image, state, statistics) {
  const folder = folderName(image);
  const isBelowRoot = statistics.root !== null && folder.startsWith(statistics.root);
  const shownFolder = isBelowRoot ? folder.slice(statistics.root.length + 1) : folder;
  const labelLink = () => linkTo(toWall(state, { label: image.label, folder: null }));
  const folderLink = () => linkTo(toWall(state, { folder, label: null }));
  const size = `${formatNumber(image.width)} × ${formatNumber(image.height)} pixels, ${formatBytes(image.size)}`;
  return [
    element("div", { class: "frame" }, thumbnail(image)),
    element("h1", { title: image.path }, fileName(image)),
    NOTICES[image.state] && element("p", { class: "notice", role: "note" }, NOTICES[image.state]),
    element(
      "dl",
      {},
      image.label !== null && entry("Label", element("a", { href: labelLink() }, image.label)),
      shownFolder && entry("Folder", element("a", { href: folderLink(), title: folder }, shownFolder)),
      entry("Image", size),
      image.taken !== null && entry("Taken", image.taken.slice(0, 16).replace("T", " ")),
      image.camera !== null && entry("Camera", image.camera),
      image.latitude !== null && entry("Place", `${image.latitude.toFixed(5)}, ${image.longitude.toFixed(5)}`),
    ),
  ];
}

// The query, if it is an upload. Only the browser tab of the upload has a preview.
function uploadedQuery(preview) {
  return [
    preview
      ? element("div", { class: "frame" }, element("img", { src: preview, alt: "The image you searched with" }))
      : element("div", { class: "frame placeholder", "aria-hidden": "true" }, "?"),
    element("h1", {}, preview ? "Your image" : "An uploaded image"),
    element(
      "p",
      { class: "muted" },
      preview
        ? "The link to this page finds the same neighbors. It contains the features of the image, not the image itself."
        : "This link contains the features of an image, not the image itself. They are enough to find its neighbors.",
    ),
  ];
}

function controls(state, go) {
  return element(
    "form",
    { class: "controls", "aria-label": "Search options", onsubmit: (event) => event.preventDefault() },
    metricControl(state, go),
    kControl(state, go),
    approximateControl(state, go),
    element("button", { type: "button", onclick: copyLink }, "Copy link"),
  );
}

function metricControl(state, go) {
  const choice = ([metric, name]) =>
    element(
      "label",
      {},
      element("input", {
        type: "radio",
        name: "metric",
        value: metric,
        checked: state.metric === metric,
        onchange: () => go({ ...state, metric }, { keep: "metric" }),
      }),
      element("span", {}, name),
    );
  return element("fieldset", {}, element("legend", {}, "Distance"), Object.entries(METRICS).map(choice));
}

function kControl(state, go) {
  const choices = [...new Set([...K_CHOICES, state.k])].sort((a, b) => a - b);
  return element(
    "label",
    {},
    "Neighbors ",
    element(
      "select",
      { name: "k", onchange: (event) => go({ ...state, k: Number(event.target.value) }, { keep: "k" }) },
      choices.map((k) => element("option", { value: k, selected: k === state.k }, String(k))),
    ),
  );
}

function approximateControl(state, go) {
  return element(
    "label",
    { title: "Searches only a part of a large index" },
    element("input", {
      type: "checkbox",
      name: "approximate",
      checked: state.approximate,
      onchange: (event) => go({ ...state, approximate: event.target.checked }, { keep: "approximate" }),
    }),
    "Approximate: faster in a large index, but may miss a few",
  );
}

async function copyLink(event) {
  const button = event.currentTarget;
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Copied";
    announce("The link was copied to the clipboard");
  } catch {
    button.textContent = "Copy it from the address bar";
  }
  setTimeout(() => (button.textContent = "Copy link"), COPIED_FOR);
}

const entry = (name, value) => [element("dt", {}, name), element("dd", {}, value)];

function formatBytes(count) {
  const units = ["B", "kB", "MB", "GB"];
  const power = Math.min(3, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${(count / 1000 ** power).toLocaleString("en", { maximumFractionDigits: power ? 1 : 0 })} ${units[power]}`;
}
