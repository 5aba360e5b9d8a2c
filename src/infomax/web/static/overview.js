// Overview: what is in the collection. Each part leads to its view.

import { request, requestComputed } from "./api.js";
import { announce, element, formatBytes, formatCount, formatNumber, message } from "./elements.js";
import { linkTo, toMap, toNeighbors, toView, toWall } from "./address.js";
import { fileName, thumbnail } from "./images.js";

const CHECK_NAMES = { blank: "Blank", dark: "Dark", blurred: "Blurred", tiny: "Tiny" };
const SHOWN = 8; // images in a row

export async function show(view, state, { signal, statistics, learned }) {
  const facts = await request("api/overview", {}, { signal });
  if (!facts.images && !facts.hidden) {
    view.replaceChildren(message("This index has no images yet.", element("code", {}, `infomax index PHOTOS --index ${statistics.name}`)));
    return {};
  }
  const clusters = part("Clusters", "Similar images, found without labels", linkTo(toMap(state)), "On the map");
  const duplicates = part("Duplicates", "", linkTo(toView(state, "duplicates")), "Clean up");
  const outliers = part("Outliers", "Least like the rest", linkTo(toView(state, "outliers")), "All");
  const checks = part("To look at", "Images that may have a flaw", linkTo(toView(state, "outliers")), null);
  view.replaceChildren(
    element("h1", { class: "visually-hidden" }, "Overview"),
    numbers(facts, state),
    clusters.element,
    element("div", { class: "halves" }, duplicates.element, outliers.element, checks.element, skipped(facts)),
  );
  if (learned) {
    fillClusters(clusters, state, signal);
    fillDuplicates(duplicates, state, signal);
    fillOutliers(outliers, state, signal);
    fillChecks(checks, state, signal);
  } else {
    for (const each of [clusters, duplicates, outliers, checks]) each.fill(muted("Ready when the features have been learned."));
  }
  announce(`Overview of ${formatCount(facts.images, "image")}`);
  return { title: "Overview" };
}

function numbers(facts, state) {
  const count = (value, text, link = null) => {
    const inner = [element("b", {}, formatNumber(value)), element("span", {}, text)];
    return link ? element("a", { class: "number", href: link }, inner) : element("div", { class: "number" }, inner);
  };
  const list = (title, counts, link = null) =>
    counts.length > 0 &&
    element(
      "div",
      { class: "counts" },
      element("h2", {}, title),
      element(
        "ul",
        {},
        counts.slice(0, 8).map(({ name, images }) =>
          element(
            "li",
            {},
            link ? element("a", { href: link(name) }, name) : element("span", {}, name),
            element("span", { class: "share" }, element("i", { style: { width: `${(100 * images) / Math.max(...counts.map((each) => each.images))}%` } })),
            element("span", { class: "muted" }, formatNumber(images)),
          ),
        ),
      ),
    );
  return element(
    "section",
    { class: "facts", "aria-label": "Numbers" },
    element(
      "div",
      { class: "numbers" },
      count(facts.images, facts.images === 1 ? "image" : "images", linkTo(toWall(state))),
      element("div", { class: "number" }, element("b", {}, formatBytes(facts.bytes)), element("span", {}, "on disk")),
      facts.hidden > 0 && count(facts.hidden, "hidden", linkTo(toWall(state, { hidden: true }))),
      facts.trashed > 0 && count(facts.trashed, "in the trash", linkTo(toView(state, "trash"))),
      facts.gone > 0 && count(facts.gone, "deleted files"),
      facts.skipped > 0 && count(facts.skipped, "skipped files", "#skipped"),
    ),
    element(
      "div",
      { class: "lists" },
      list("Formats", facts.formats),
      list("Megapixels", facts.sizes),
      list("Years", facts.years, (year) => linkTo(toWall(state, { after: year, before: String(Number(year) + 1) }))),
      list("Cameras", facts.cameras),
      list("Tags", facts.tags, (tag) => linkTo(toWall(state, { tag }))),
    ),
  );
}

const muted = (text) => element("p", { class: "muted" }, text);

// A part of the page that is filled later.
function part(title, subtitle, link, linkText) {
  const body = element("div", { class: "part-body" }, muted("…"));
  const text = element("span", { class: "muted" }, subtitle);
  const made = element(
    "section",
    { class: "part", "aria-label": title },
    element("header", {}, element("h2", {}, title), text, linkText && element("a", { href: link }, linkText)),
    body,
  );
  return {
    element: made,
    say: (words) => (text.textContent = words),
    fill: (...children) => body.replaceChildren(...children),
    fail: (error) => error.name !== "AbortError" && body.replaceChildren(muted(error.message)),
  };
}

const strip = (images, state) => element("div", { class: "strip" }, images.slice(0, SHOWN).map((image) => small(image, linkTo(toNeighbors(state, image.id)))));

const small = (image, href) => element("a", { href, title: image.path, "aria-label": fileName(image) }, thumbnail(image));

function fillClusters(place, state, signal) {
  requestComputed("api/clusters", {}, { signal, waiting: () => place.fill(muted("Laying out the map …")) })
    .then(({ clusters }) => {
      if (!clusters.length) return place.fill(muted("Too few images for clusters."));
      return place.fill(
        element(
          "div",
          { class: "clusters" },
          clusters.map(({ name, size, medoids }, number) =>
            element(
              "div",
              { class: "cluster" },
              element("h3", {}, name ?? `Cluster ${number + 1}`, element("span", { class: "muted" }, ` ${formatCount(size, "image")}`)),
              strip(medoids, state),
            ),
          ),
        ),
      );
    })
    .catch(place.fail);
}

function fillDuplicates(place, state, signal) {
  requestComputed("api/duplicates", { limit: 6 }, { signal, waiting: () => place.fill(muted("Looking for duplicates …")) })
    .then(({ total, images, groups }) => {
      place.say(total ? `${formatCount(total, "group")} of ${formatCount(images, "image")}` : "None found");
      place.fill(...groups.map((group) => strip(group.images.map((each) => each.image), state)));
    })
    .catch(place.fail);
}

function fillOutliers(place, state, signal) {
  request("api/outliers", { n: 2 * SHOWN }, { signal })
    .then(({ images }) => place.fill(strip(images, state), strip(images.slice(SHOWN), state)))
    .catch(place.fail);
}

function fillChecks(place, state, signal) {
  requestComputed("api/checks", { limit: SHOWN }, { signal, waiting: () => place.fill(muted("Looking at every image …")) })
    .then(({ counts, ...lists }) => {
      const found = Object.keys(CHECK_NAMES).filter((name) => counts[name]);
      place.fill(
        ...found.map((name) =>
          element(
            "div",
            {},
            element("h3", {}, element("a", { href: linkTo(toView(state, "outliers", { check: name })) }, `${CHECK_NAMES[name]} (${formatNumber(counts[name])})`)),
            strip(lists[name], state),
          ),
        ),
        found.length ? "" : muted("No blank, dark, blurred or tiny images."),
      );
    })
    .catch(place.fail);
}

function skipped(facts) {
  if (!facts.skipped) return null;
  return element(
    "section",
    { class: "part", id: "skipped", "aria-label": "Skipped files" },
    element("header", {}, element("h2", {}, "Skipped files"), element("span", { class: "muted" }, formatCount(facts.skipped, "file"))),
    element(
      "ul",
      { class: "skipped" },
      facts.first_skipped.map(({ path, reason }) => element("li", {}, element("b", {}, path.slice(path.lastIndexOf("/") + 1) || path), ` ${reason}`)),
      facts.skipped > facts.first_skipped.length && element("li", {}, `and ${formatNumber(facts.skipped - facts.first_skipped.length)} more: see skipped.csv in the index`),
    ),
  );
}
