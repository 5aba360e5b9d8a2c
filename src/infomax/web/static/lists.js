// Lists of images that are worth a look: outliers, images with a flaw, and a selection that stands for all.

import { request, requestComputed } from "./api.js";
import { announce, busy, button, element, formatCount, message } from "./elements.js";
import { CHECKS, linkTo, RULES } from "./address.js";
import { grid, tile } from "./images.js";
import { replaceSelection } from "./selection.js";

const OUTLIERS = 120;
const LONGEST = 500; // images of a list
const RULE_TEXTS = {
  diverse: "As different from each other as possible",
  typical: "One for each of so many clusters, the largest first",
  odd: "Least like the rest",
};

export async function showOutliers(view, state, { signal }) {
  const links = element(
    "nav",
    { class: "tabs", "aria-label": "What to look for" },
    [null, ...CHECKS].map((check) =>
      element("a", { href: linkTo({ ...state, check }), "aria-current": check === state.check && "page" }, check ?? "unlike the rest"),
    ),
  );
  const images = state.check
    ? (await requestComputed("api/checks", { limit: LONGEST }, { signal, waiting: () => view.replaceChildren(links, busy("Looking at every image …")) }))[state.check]
    : (await request("api/outliers", { n: OUTLIERS }, { signal })).images;
  const title = state.check ? `Images that look ${state.check}` : "Images least like the rest";
  return fillList(view, state, title, images, links, "There are none.");
}

export async function showSelection(view, state, { signal, go, tools }) {
  const rule = element(
    "label",
    {},
    "Choose ",
    element(
      "select",
      { name: "by", onchange: (event) => go({ ...state, by: event.target.value }, { keep: "by" }) },
      RULES.map((each) => element("option", { value: each, selected: each === state.by }, each)),
    ),
  );
  const count = element(
    "label",
    {},
    "Images ",
    element(
      "select",
      { name: "n", onchange: (event) => go({ ...state, n: Number(event.target.value) }, { keep: "n" }) },
      [...new Set([20, 50, 100, 200, 500, state.n])].sort((a, b) => a - b).map((n) => element("option", { value: n, selected: n === state.n }, String(n))),
    ),
  );
  const { images } = await request("api/selection", { n: Math.min(state.n, 1000), by: state.by }, { signal });
  tools.replaceChildren(rule, count, element("span", { class: "muted" }, RULE_TEXTS[state.by]));
  return fillList(view, state, "A selection that stands for all", images, null, "There are no images yet.");
}

function fillList(view, state, title, images, bar, none) {
  const choose = images.length > 0 && button("Select all", () => replaceSelection(images.map(({ id }) => id)));
  view.replaceChildren(
    element("header", { class: "view-head" }, element("h1", {}, title), bar, choose),
    images.length ? grid(images.map((image) => tile(image, state)), { class: "list", "aria-label": title }) : message(none),
  );
  announce(`${title}: ${formatCount(images.length, "image")}`);
  return { title };
}
