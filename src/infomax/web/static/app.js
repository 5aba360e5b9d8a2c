// The page: it turns addresses into views, and handles links, keys and what has changed.

import { request } from "./api.js";
import { selectView, showActions } from "./actions.js";
import { countFilters, linkTo, parseAddress, toNeighbors, toView, toWall, withoutFilters } from "./address.js";
import { attempt, element, formatCount, message, showError } from "./elements.js";
import { createFilters } from "./filters.js";
import { createHelp } from "./help.js";
import { focusedTile, moveFocus, setListing, toggle } from "./images.js";
import { lacksFeatures, waitingMessage, watchLearning } from "./learning.js";
import { createLightbox } from "./lightbox.js";
import { clearSelection, selectedIds } from "./selection.js";
import { listenForImages } from "./upload.js";
import * as duplicates from "./duplicates.js";
import * as lists from "./lists.js";
import * as map from "./map.js";
import * as matches from "./matches.js";
import * as overview from "./overview.js";
import * as trash from "./trash.js";
import * as wall from "./wall.js";

// show() of each view fills the element `view`. It returns { title, keys, ids, leave, resize }, all of them optional: the
// title of the page, functions for pressed keys, a function that promises the ids of all images of the view where not all
// have tiles, and functions to call before another view is shown and when the width of the window has changed.
const SHOWN = {
  overview: overview.show,
  wall: wall.show,
  map: map.show,
  duplicates: duplicates.show,
  outliers: lists.showOutliers,
  selection: lists.showSelection,
  trash: trash.show,
  matches: matches.show,
};
const TABS = { overview: "Overview", wall: "Wall", map: "Map", duplicates: "Duplicates", outliers: "Outliers", selection: "Select", trash: "Trash" };
const FILTERED = ["wall", "map", "matches"]; // views that the filters work on
const REFRESH_INTERVAL = 15_000; // milliseconds between checks whether the index has changed

const view = document.getElementById("view");
const tools = document.getElementById("view-tools");
let statistics = null;
let tags = [];
let state = parseAddress(location.search);
let lastWall = toWall(state); // the Escape key leads back to it
let currentView = {};
let rendering = new AbortController();

const context = { go, currentState: () => state, statistics: () => statistics, changed: () => render({ fresh: true }) };
const filters = createFilters(context);
const help = createHelp();
const lightbox = createLightbox({
  originals: () => statistics?.originals,
  similar: (image) => {
    lightbox.close();
    go(toNeighbors(state, image.id), { focus: true });
  },
  moved: () => {},
  closed: () => focusedTile()?.querySelector(".tile-link").focus(),
});

async function render({ found = null, focus = false, keep = null, fresh = false } = {}) {
  rendering.abort();
  currentView.leave?.();
  currentView = {};
  setListing(null);
  rendering = new AbortController();
  const { signal } = rendering;
  const requested = state;
  if (requested.view === "wall") lastWall = requested;
  view.setAttribute("aria-busy", "true");
  try {
    if (fresh || !statistics) await readStatistics();
    fillBar();
    tools.replaceChildren();
    const preview = history.state?.preview;
    const next = await SHOWN[requested.view](view, requested, {
      ...context,
      signal,
      statistics,
      tools,
      preview,
      found,
      learned: !lacksFeatures(),
      open: (image) => lightbox.show(image),
    });
    if (signal.aborted) {
      next.leave?.();
      return;
    }
    currentView = next;
    setListing(next.ids ?? null);
    view.dataset.view = requested.view;
    document.title = [next.title, statistics.name, "infomax"].filter(Boolean).join(" · ");
    showError("");
    moveFocusAfterRendering(focus, keep);
  } catch (error) {
    if (error.name !== "AbortError") showFailure(error);
  } finally {
    if (!signal.aborted) view.removeAttribute("aria-busy");
  }
}

async function readStatistics() {
  const [counted, tagged] = await Promise.all([request("api/statistics"), request("api/tags")]);
  statistics = counted;
  tags = tagged.tags;
  document.getElementById("known-tags").replaceChildren(...tags.map(({ name }) => element("option", { value: name })));
  document.dispatchEvent(new Event("statistics"));
}

function moveFocusAfterRendering(focus, keep) {
  if (keep) document.querySelector(`:is(#view, #view-tools) [name=${keep}]:is(:checked, select, [type=checkbox])`)?.focus();
  else if (focus) (view.querySelector(".tile-link") ?? view).focus();
}

function showFailure(error) {
  if (error.status === 409 && lacksFeatures()) {
    showError("");
    view.replaceChildren(waitingMessage(element("a", { href: linkTo(toWall(state)) }, "Back to the images")));
    return;
  }
  showError(error.message);
  if (!view.childElementCount || state.view !== view.dataset.view) {
    view.dataset.view = state.view;
    view.replaceChildren(
      message("This page cannot be shown.", element("a", { href: linkTo(toWall(withoutFilters(state))) }, "All images")),
    );
  }
}

// Go to another view. Every change of the view passes through here. `keep` is the name of the control that keeps the
// focus. `focus` moves the focus to the first image.
function go(next, options = {}) {
  const { replace = false, preview = history.state?.preview, found = null, focus = false, keep = null } = options;
  const historyState = next.vector ? { preview } : null;
  history[replace ? "replaceState" : "pushState"](historyState, "", linkTo(next));
  state = next;
  if (!keep && !options.keepScroll) scrollTo(0, 0);
  return render({ found, focus, keep });
}

function fillBar() {
  document.getElementById("name").textContent = statistics.name;
  document.getElementById("count").textContent = formatCount(statistics.images, "image");
  document.getElementById("views").replaceChildren(
    ...Object.entries(TABS)
      .filter(([name]) => name !== "trash" || statistics.changes || state.view === "trash")
      .map(([name, text]) =>
        element("a", { id: `to-${name}`, href: linkTo(toView(state, name)), "aria-current": state.view === name && "page" }, text),
      ),
  );
  document.querySelector("#views [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  filters.fill(statistics, tags, state);
  const active = countFilters(state);
  document.getElementById("show-filters").textContent = active ? `Filters (${active})` : "Filters"; // it hides them on a phone
  document.getElementById("tools").dataset.filters = FILTERED.includes(state.view);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.altKey) return;
  if (link.matches(".tile-link") && lacksFeatures()) {
    event.preventDefault(); // there are no neighbors yet: show the image itself
    lightbox.show(link.closest(".tile").image);
    return;
  }
  if (link.matches(".tile-link") && (event.shiftKey || selectedIds().length)) {
    event.preventDefault(); // while images are selected, a click selects
    toggle(link.closest(".tile"), event.shiftKey);
    return;
  }
  if (event.shiftKey) return;
  if (link.origin !== location.origin || link.pathname !== location.pathname || link.hash) return;
  event.preventDefault();
  go(parseAddress(link.search), { focus: event.detail === 0, preview: null }); // detail 0: the keyboard opened the link
});

const GRID_KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea") || document.querySelector("dialog[open]")) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a" && view.querySelector(".tile")) {
    event.preventDefault();
    attempt(selectView);
  }
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target.matches("select") && event.key !== "?") return; // other keys choose an option
  const handled = currentView.keys?.[event.key] ?? KEYS[event.key];
  if (handled) {
    if (handled(event) !== false) event.preventDefault();
  } else if (GRID_KEYS.includes(event.key) && view.querySelector(".tile") && moveFocus(view, event.key)) {
    event.preventDefault();
  }
});

const KEYS = {
  "?": () => help.open(),
  "/": () => filters.focus(),
  x: (event) => focusedTile() && toggle(focusedTile(), event.shiftKey),
  X: (event) => focusedTile() && toggle(focusedTile(), event.shiftKey),
  " ": () => (focusedTile() ? lightbox.show(focusedTile().image) : false),
  Escape: () => {
    if (selectedIds().length) clearSelection();
    else if (state.view !== "wall") go({ ...lastWall, folder: state.folder, label: state.label }, { focus: true });
    else return false;
    return true;
  },
};

addEventListener("popstate", () => {
  state = parseAddress(location.search);
  lightbox.close();
  render();
});

// The token of the first address is in a cookie from now on: nobody should see it in the address, or send it on.
function dropToken() {
  const parameters = new URLSearchParams(location.search);
  if (!parameters.has("token")) return;
  history.replaceState(history.state, "", linkTo(state));
}

// While Shift is held, a drag on the map is a lasso, also where a name is in the way.
for (const [name, held] of Object.entries({ keydown: true, keyup: false })) {
  addEventListener(name, (event) => event.key === "Shift" && document.body.classList.toggle("shift", held));
}
addEventListener("blur", () => document.body.classList.remove("shift"));

let lastWidth = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== lastWidth) currentView.resize?.();
  lastWidth = innerWidth;
});

document.getElementById("keys").addEventListener("click", () => help.open());

document.getElementById("show-filters").addEventListener("click", (event) => {
  const open = document.getElementById("tools").classList.toggle("open");
  event.currentTarget.setAttribute("aria-expanded", String(open));
});

// Another process, or another browser, may have changed images or tags.
setInterval(async () => {
  if (document.hidden || !statistics) return;
  const before = JSON.stringify([statistics.images, tags]);
  await readStatistics().catch(() => {});
  if (JSON.stringify([statistics.images, tags]) !== before && state.view === "wall" && !scrollY) render();
}, REFRESH_INTERVAL);

// Features have been learned behind the page: what needs them can be shown now.
document.addEventListener("features-ready", () => render({ fresh: true }));

showActions(context);
listenForImages({ go, currentState: () => state, currentStatistics: () => statistics });
dropToken();
watchLearning().finally(() => render()); // the first view depends on whether there are features
