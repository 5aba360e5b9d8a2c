// Matches: a query and its nearest neighbors. The query is an image, a part of one, several, or an upload.

import { findMatches } from "./api.js";
import { announce, attempt, button, element, formatBytes, formatCount, formatNumber, message } from "./elements.js";
import { isFiltered, K_CHOICES, linkTo, toNeighbors, toWall, withoutFilters } from "./address.js";
import { cropFrame } from "./crop.js";
import { explain } from "./explanation.js";
import { fileName, folderName, grid, thumbnail, tile } from "./images.js";
import { CHANCE, nearnessBar, shareInWords, shareWithin } from "./scale.js";
import { searchByPart } from "./upload.js";

const METRICS = { cosine: "Cosine", euclidean: "Euclidean" };
const COPIED_FOR = 2000; // milliseconds for which the button confirms the copy
const TRAIL = 8; // queries that are remembered

const NOTICES = {
  gone: "The file was deleted. This is the thumbnail from the index.",
  changed: "The file has changed since it was indexed. This thumbnail and the neighbors belong to the indexed version.",
};

const trail = []; // the last queries that are images of the index, the latest first

export async function show(view, state, { signal, go, statistics, preview, found: given, open }) {
  const found = given ?? (await findMatches(state, signal));
  const metric = found.metric === "cosine" ? "cosine" : "Euclidean";
  const heading = `${formatCount(found.matches.length, "neighbor")} by ${metric} distance`;
  const query = element(
    "section",
    { class: "query", "aria-label": "Your query" },
    found.query ? indexedQuery(found.query, state, { statistics, go, open }) : uploadedQuery(preview, state, go),
    shape(found, state, go),
    controls(state, go),
    trailOf(found.query, state),
  );
  view.replaceChildren(element("div", { class: "matches" }, query, neighbors(found, heading, state, statistics, go)));
  announce(heading);
  if (found.query) remember(found.query);
  return { title: found.query ? fileName(found.query) : "Your image" };
}

function neighbors(found, heading, state, statistics, go) {
  const scale = found.metric === "cosine" ? statistics.scale : null;
  const tiles = found.matches.map((match) => matchTile(match, state, scale, go, found.query && ((image) => explain(found.query, image))));
  const far = scale ? found.matches.findIndex((match) => shareWithin(scale, match.distance) >= CHANCE) : -1;
  if (far >= 0) {
    const line = element("p", { class: "chance" }, "From here on, 1 in 20 images that are paired at random are as near.");
    tiles.slice(far).forEach((each) => each.classList.add("far"));
    tiles.splice(far, 0, line);
  }
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
    found.matches.length ? grid(tiles, { class: "neighbors", "aria-label": heading }) : noNeighbors(state),
  );
}

function matchTile(match, state, scale, go, why) {
  const { image, distance } = match;
  const share = scale && shareWithin(scale, distance);
  const words = scale ? shareInWords(share) : `distance ${distance.toFixed(4)}`;
  const number = `distance ${distance.toFixed(4)}`;
  const caption = element(
    "div",
    { class: "caption", title: number },
    scale ? nearnessBar(share, `${words}, ${number}`) : element("b", {}, distance.toFixed(3)),
    element("span", {}, image.label ?? ""),
    steer(image, state, go, why),
  );
  return tile(image, state, { caption, description: `${words}, ${number}` });
}

// Buttons that make the query like an image, or unlike it.
function steer(image, state, go, why) {
  const toggle = (name) => () => {
    const other = name === "like" ? "unlike" : "like";
    const ids = new Set(listOf(state[name]));
    if (!ids.delete(image.id)) ids.add(image.id);
    const others = listOf(state[other]).filter((id) => id !== image.id);
    go({ ...state, [name]: joined([...ids]), [other]: joined(others) }, { keepScroll: true });
  };
  return element(
    "span",
    { class: "steer" },
    button("+", toggle("like"), { title: "More like this", "aria-label": `More like ${fileName(image)}` }),
    why && button("?", () => why(image), { title: "Why this matches", "aria-label": `Why ${fileName(image)} matches` }),
    button("−", toggle("unlike"), { title: "Less like this", "aria-label": `Less like ${fileName(image)}` }),
  );
}

const listOf = (ids) => (ids ? ids.split(",") : []);
const joined = (ids) => ids.join(",") || null;

// The further images that the query is made of, each with a button that takes it out.
function shape(found, state, go) {
  const part = (images, name, text) =>
    images.length > 0 &&
    element(
      "div",
      { class: `shape ${name}` },
      element("span", {}, text),
      images.map((image) =>
        button(
          [thumbnail(image), element("span", { "aria-hidden": "true" }, "×")],
          () => go({ ...state, [name]: joined(listOf(state[name]).filter((id) => id !== image.id)) }),
          { class: "chip", "aria-label": `Remove ${fileName(image)} from the query`, title: fileName(image) },
        ),
      ),
    );
  return [part(found.like, "like", "and like"), part(found.unlike, "unlike", "but not like")];
}

function noNeighbors(state) {
  const everything = linkTo(withoutFilters(state));
  const link = isFiltered(state) && element("a", { href: everything }, "Search in all images");
  return message("There are no other images.", link);
}

// The query, if it is an image of the index.
function indexedQuery(image, state, { statistics, go, open }) {
  const folder = folderName(image);
  const isBelowRoot = statistics.root !== null && folder.startsWith(statistics.root);
  const shownFolder = isBelowRoot ? folder.slice(statistics.root.length + 1) : folder;
  const labelLink = () => linkTo(toWall(state, { label: image.label, folder: null }));
  const folderLink = () => linkTo(toWall(state, { folder, label: null }));
  const size = `${formatNumber(image.width)} × ${formatNumber(image.height)} pixels, ${formatBytes(image.size)}`;
  return [
    cropFrame(thumbnail(image), image.width / image.height || 1, state.crop, (crop, keep) => go({ ...state, crop }, { keep })),
    element(
      "div",
      { class: "query-actions" },
      button("Open", () => open(image), { title: "See the image itself (Space)" }),
      state.crop && button("Whole image", () => go({ ...state, crop: null })),
    ),
    element("h1", { title: image.path }, fileName(image)),
    NOTICES[image.state] && element("p", { class: "notice", role: "note" }, NOTICES[image.state]),
    element(
      "dl",
      {},
      image.label !== null && entry("Label", element("a", { href: labelLink() }, image.label)),
      image.tags.length > 0 &&
        entry(
          "Tags",
          image.tags.map((tag) => element("a", { class: "tag", href: linkTo(toWall(state, { tag })) }, tag)),
        ),
      shownFolder && entry("Folder", element("a", { href: folderLink(), title: folder }, shownFolder)),
      entry("Image", size),
      image.taken !== null && entry("Taken", image.taken.slice(0, 16).replace("T", " ")),
      image.camera !== null && entry("Camera", image.camera),
      image.latitude !== null && entry("Place", `${image.latitude.toFixed(5)}, ${image.longitude.toFixed(5)}`),
    ),
  ];
}

// The query, if it is an upload. Only the browser tab of the upload has a preview, and can search by a part of it.
function uploadedQuery(preview, state, go) {
  if (!preview) {
    return [
      element("div", { class: "frame placeholder", "aria-hidden": "true" }, "?"),
      element("h1", {}, "An uploaded image"),
      element(
        "p",
        { class: "muted" },
        "This link contains the features of an image, not the image itself. They are enough to find its neighbors.",
      ),
    ];
  }
  const choose = (crop, keep) => attempt(() => searchByPart(preview, crop, state, (next, options) => go(next, { ...options, keep })));
  return [
    cropFrame(element("img", { src: preview.image, alt: "The image you searched with" }), preview.ratio, preview.crop, choose),
    preview.crop && element("div", { class: "query-actions" }, button("Whole image", () => choose(null, null))),
    element("h1", {}, preview.crop ? "A part of your image" : "Your image"),
    element(
      "p",
      { class: "muted" },
      "The link to this page finds the same neighbors. It contains the features of the image, not the image itself.",
    ),
  ];
}

function controls(state, go) {
  return element(
    "form",
    { class: "controls", "aria-label": "Search options", onsubmit: (event) => event.preventDefault() },
    kControl(state, go),
    button("Copy link", copyLink),
    element(
      "details",
      { open: state.metric !== "cosine" || state.approximate },
      element("summary", {}, "Advanced"),
      metricControl(state, go),
      approximateControl(state, go),
    ),
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
  const pressed = event.currentTarget;
  try {
    await navigator.clipboard.writeText(location.href);
    pressed.textContent = "Copied";
    announce("The link was copied to the clipboard");
  } catch {
    pressed.textContent = "Copy it from the address bar";
  }
  setTimeout(() => (pressed.textContent = "Copy link"), COPIED_FOR);
}

// The last queries, so that a walk through the collection can be gone back.
function trailOf(query, state) {
  const others = trail.filter((image) => image.id !== query?.id);
  if (!others.length) return null;
  return element(
    "nav",
    { class: "trail", "aria-label": "Last queries" },
    element("span", {}, "Before"),
    others.map((image) =>
      element("a", { href: linkTo(toNeighbors(state, image.id)), title: fileName(image), "aria-label": fileName(image) }, thumbnail(image)),
    ),
  );
}

function remember(image) {
  const known = trail.findIndex(({ id }) => id === image.id);
  if (known >= 0) trail.splice(known, 1);
  trail.unshift(image);
  trail.length = Math.min(trail.length, TRAIL + 1);
}

const entry = (name, value) => [element("dt", {}, name), element("dd", {}, value)];
