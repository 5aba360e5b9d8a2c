// One image and its neighbors.

import { matches } from "./api.js";
import { element, number, plural, say } from "./elements.js";
import { KS, linkOf, wallOf } from "./address.js";
import { folderOf, grid, nameOf, thumbnail, tile } from "./images.js";
import { message } from "./wall.js";

const METRICS = { cosine: "Cosine", euclidean: "Euclidean" };

export async function show(view, state, { signal, go, statistics, preview, found: given }) {
  const found = given ?? (await matches(state, signal));
  const heading = `${plural(found.matches.length, "neighbor")} by ${found.metric === "cosine" ? "cosine" : "Euclidean"} distance`;
  view.replaceChildren(
    element(
      "div",
      { class: "matches" },
      element(
        "section",
        { class: "query", "aria-label": "The image searched with" },
        found.query ? ofIndex(found.query, state, statistics) : uploaded(preview),
        controls(state, go),
      ),
      element(
        "section",
        { "aria-label": "Neighbors" },
        element(
          "h2",
          {},
          heading,
          !found.exact && element("span", { class: "note" }, " approximate: a few may be missing"),
        ),
        found.matches.length
          ? grid(
              found.matches.map((match) => tile(match.image, state, match)),
              { class: "found", "aria-label": heading },
            )
          : message(
              "Nothing else is here.",
              (state.folder !== null || state.label !== null) &&
                element("a", { href: linkOf({ ...state, folder: null, label: null }) }, "Look in all images"),
            ),
      ),
    ),
  );
  say(heading);
  return { title: found.query ? nameOf(found.query) : "Your image" };
}

const NOTICES = {
  gone: "The file is not there any more. What you see is the thumbnail that the index has kept.",
  changed: "The file has changed since it was indexed. What you see, and what is searched with, is what it was.",
};

function ofIndex(image, state, statistics) {
  const folder = folderOf(image);
  const within = statistics.root !== null && folder.startsWith(statistics.root);
  const shown = within ? folder.slice(statistics.root.length + 1) : folder;
  return [
    element("div", { class: "frame" }, thumbnail(image)),
    element("h1", { title: image.path }, nameOf(image)),
    NOTICES[image.state] && element("p", { class: "notice", role: "note" }, NOTICES[image.state]),
    element(
      "dl",
      {},
      image.label !== null &&
        fact("Label", element("a", { href: linkOf(wallOf(state, { label: image.label, folder: null })) }, image.label)),
      shown &&
        fact("Folder", element("a", { href: linkOf(wallOf(state, { folder, label: null })), title: folder }, shown)),
      fact("Image", `${number(image.width)} × ${number(image.height)} pixels, ${bytes(image.size)}`),
    ),
  ];
}

function uploaded(preview) {
  return [
    preview
      ? element("div", { class: "frame" }, element("img", { src: preview, alt: "The image you gave" }))
      : element("div", { class: "frame absent", "aria-hidden": "true" }, "?"),
    element("h1", {}, preview ? "Your image" : "An image from elsewhere"),
    element(
      "p",
      { class: "faint" },
      preview
        ? "The link to this page holds its features, which find the same neighbors, but not the image itself."
        : "This link holds the features of an image, which are enough to find its neighbors, but not the image itself.",
    ),
  ];
}

function controls(state, go) {
  const choices = [...new Set([...KS, state.k])].sort((a, b) => a - b);
  return element(
    "form",
    { class: "controls", "aria-label": "How to search", onsubmit: (event) => event.preventDefault() },
    element(
      "fieldset",
      {},
      element("legend", {}, "Distance"),
      Object.entries(METRICS).map(([metric, name]) =>
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
        ),
      ),
    ),
    element(
      "label",
      {},
      "Neighbors ",
      element(
        "select",
        { name: "k", onchange: (event) => go({ ...state, k: Number(event.target.value) }, { keep: "k" }) },
        choices.map((k) => element("option", { value: k, selected: k === state.k }, String(k))),
      ),
    ),
    element(
      "label",
      { title: "Looks through a part of a large index only" },
      element("input", {
        type: "checkbox",
        name: "approximate",
        checked: state.approximate,
        onchange: (event) => go({ ...state, approximate: event.target.checked }, { keep: "approximate" }),
      }),
      "Approximate: faster in a large index, may miss a few",
    ),
    element("button", { type: "button", onclick: copyLink }, "Copy link"),
  );
}

async function copyLink(event) {
  const button = event.currentTarget;
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Copied";
    say("The link is in the clipboard");
  } catch {
    button.textContent = "Copy it from the address bar";
  }
  setTimeout(() => (button.textContent = "Copy link"), 2000);
}

const fact = (name, value) => [element("dt", {}, name), element("dd", {}, value)];

function bytes(count) {
  const units = ["B", "kB", "MB", "GB"];
  const power = Math.min(3, Math.floor(Math.log10(Math.max(1, count)) / 3));
  return `${(count / 1000 ** power).toLocaleString("en", { maximumFractionDigits: power ? 1 : 0 })} ${units[power]}`;
}
