// The page: it turns addresses into views, and handles links, keys and the filters.

import { request } from "./api.js";
import { linkTo, parseAddress, toMap, toWall } from "./address.js";
import { element, formatCount, formatNumber, message, showError } from "./elements.js";
import { moveFocus } from "./images.js";
import { listenForImages } from "./upload.js";
import * as map from "./map.js";
import * as matches from "./matches.js";
import * as wall from "./wall.js";

// show() of each view fills the element `view`. It returns { title, keys, leave }, all of them optional: the title of
// the page, functions for pressed keys, and a function to call before another view is shown.
const VIEWS = { wall, matches, map };
const REFRESH_INTERVAL = 15_000; // milliseconds between checks whether the index has changed

const view = document.getElementById("view");
const selects = { folder: document.getElementById("folder"), label: document.getElementById("label") };
let statistics = null;
let state = parseAddress(location.search);
let lastWall = toWall(state); // the Escape key leads back to it
let currentView = {};
let rendering = new AbortController();

async function render({ found = null, focus = false, keep = null } = {}) {
  rendering.abort();
  currentView.leave?.();
  currentView = {};
  rendering = new AbortController();
  const { signal } = rendering;
  const requested = state;
  if (requested.view === "wall") lastWall = requested;
  view.setAttribute("aria-busy", "true");
  try {
    statistics ??= await request("api/statistics");
    fillBar();
    const preview = history.state?.preview;
    const next = await VIEWS[requested.view].show(view, requested, { signal, go, statistics, preview, found });
    if (signal.aborted) {
      next.leave?.();
      return;
    }
    currentView = next;
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

function moveFocusAfterRendering(focus, keep) {
  if (keep) view.querySelector(`[name=${keep}]:is(:checked, select, [type=checkbox])`)?.focus();
  else if (focus) (view.querySelector(".tile") ?? view).focus();
}

function showFailure(error) {
  showError(error.message);
  if (!view.childElementCount || state.view !== view.dataset.view) {
    view.replaceChildren(
      message("This page cannot be shown.", element("a", { href: linkTo(toWall(state)) }, "All images")),
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
  if (!keep) scrollTo(0, 0);
  return render({ found, focus, keep });
}

function fillBar() {
  document.getElementById("name").textContent = statistics.name;
  document.getElementById("count").textContent = formatCount(statistics.images, "image");
  fillViewLink("to-wall", toWall(state), state.view === "wall");
  fillViewLink("to-map", toMap(state), state.view === "map");
  const rootLength = statistics.root?.length ?? 0;
  fillFilter(
    "folder",
    statistics.folders.map(({ folder, images }) => [folder, indent(folder.slice(rootLength + 1)), images]),
  );
  fillFilter(
    "label",
    statistics.labels.map(({ label, images }) => [label, label, images]),
  );
}

function fillViewLink(id, target, isCurrent) {
  const link = document.getElementById(id);
  link.href = linkTo(target);
  if (isCurrent) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
}

// Fill a filter with choices: [value, text, number of images].
function fillFilter(name, choices) {
  const select = selects[name];
  const isKnown = choices.some(([value]) => value === state[name]);
  if (state[name] !== null && !isKnown) choices.push([state[name], state[name], 0]);
  select.replaceChildren(
    element("option", { value: "" }, `all ${name}s`),
    ...choices.map(([value, text, images]) => {
      const option = element("option", { selected: value === state[name] }, `${text} (${formatNumber(images)})`);
      option.choice = value; // the value attribute would not do: "" may be a label, too
      return option;
    }),
  );
  select.closest("label").hidden = !choices.length;
  select.classList.toggle("active", state[name] !== null);
}

const indent = (folder) => {
  const parts = folder.split("/");
  return "\u2003".repeat(parts.length - 1) + parts.at(-1);
};

for (const [name, select] of Object.entries(selects)) {
  select.addEventListener("change", () => {
    const value = select.selectedOptions[0].choice ?? null;
    go({ ...state, [name]: value, from: 0 });
  });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.origin !== location.origin || link.pathname !== location.pathname || link.hash) return;
  event.preventDefault();
  go(parseAddress(link.search), { focus: event.detail === 0, preview: null }); // detail 0: the keyboard opened the link
});

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, select, textarea")) return;
  if (event.key === "Escape" && state.view !== "wall") {
    go({ ...lastWall, folder: state.folder, label: state.label }, { focus: true });
    return;
  }
  const grid = view.querySelector(".grid");
  const isGridKey = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key);
  if (currentView.keys?.[event.key]) {
    event.preventDefault();
    currentView.keys[event.key](event);
  } else if (grid && isGridKey && moveFocus(grid, event.key)) {
    event.preventDefault();
  }
});

addEventListener("popstate", () => {
  state = parseAddress(location.search);
  render();
});

let lastWidth = innerWidth;
addEventListener("resize", () => {
  if (state.view === "wall" && innerWidth !== lastWidth) render();
  lastWidth = innerWidth;
});

// Another process may have added or removed images.
setInterval(async () => {
  if (document.hidden || !statistics) return;
  const before = statistics.images;
  statistics = await request("api/statistics").catch(() => statistics);
  if (statistics.images !== before && state.view === "wall") render();
}, REFRESH_INTERVAL);

listenForImages({ go, currentState: () => state, currentStatistics: () => statistics });
render();
