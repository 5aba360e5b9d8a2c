// From the address to a view, and back.

import { ask } from "./api.js";
import { linkOf, mapOf, stateOf, wallOf } from "./address.js";
import { complain, element, number, plural } from "./elements.js";
import { moveIn } from "./images.js";
import { listen } from "./upload.js";
import * as map from "./map.js";
import * as matches from "./matches.js";
import * as wall from "./wall.js";

const VIEWS = { wall, matches, map };
const LOOK_AGAIN = 15_000; // milliseconds between looks at whether the index has changed

const view = document.getElementById("view");
const selects = { folder: document.getElementById("folder"), label: document.getElementById("label") };
let statistics = null;
let state = stateOf(location.search);
let wallState = wallOf(state);
let shown = {};
let turn = new AbortController();

async function render({ found = null, focus = false, keep = null } = {}) {
  turn.abort();
  shown.leave?.();
  shown = {};
  turn = new AbortController();
  const { signal } = turn;
  const asked = state;
  if (asked.view === "wall") wallState = asked;
  view.setAttribute("aria-busy", "true");
  try {
    statistics ??= await ask("/api/statistics");
    fillBar();
    const preview = history.state?.preview;
    const next = await VIEWS[asked.view].show(view, asked, { signal, go, statistics, preview, found });
    if (signal.aborted) {
      next.leave?.();
      return;
    }
    shown = next;
    view.dataset.view = asked.view;
    document.title = [next.title, statistics.name, "infomax"].filter(Boolean).join(" · ");
    complain("");
    if (keep) view.querySelector(`[name=${keep}]:is(:checked, select, [type=checkbox])`)?.focus();
    else if (focus) (view.querySelector(".tile") ?? view).focus();
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
  } finally {
    if (!signal.aborted) view.removeAttribute("aria-busy");
  }
}

function fail(error) {
  complain(error.message);
  if (!view.childElementCount || state.view !== view.dataset.view) {
    view.replaceChildren(wall.message("This cannot be shown.", element("a", { href: linkOf(wallOf(state)) }, "All images")));
  }
}

// Every way to another view leads through here; `keep` names the control that has the focus and shall have it still.
function go(next, { replace = false, preview = history.state?.preview, found = null, focus = false, keep = null } = {}) {
  const carried = next.vector ? { preview } : null;
  history[replace ? "replaceState" : "pushState"](carried, "", linkOf(next));
  state = next;
  if (!keep) scrollTo(0, 0);
  return render({ found, focus, keep });
}

function fillBar() {
  document.getElementById("name").textContent = statistics.name;
  document.getElementById("count").textContent = plural(statistics.images, "image");
  const links = { "to-wall": [wallOf(state), state.view === "wall"], "to-map": [mapOf(state), state.view === "map"] };
  for (const [id, [target, here]] of Object.entries(links)) {
    const link = document.getElementById(id);
    link.href = linkOf(target);
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const root = statistics.root?.length ?? 0;
  const choices = {
    folder: statistics.folders.map(({ folder, images }) => [folder, indented(folder.slice(root + 1)), images]),
    label: statistics.labels.map(({ label, images }) => [label, label, images]),
  };
  for (const [name, select] of Object.entries(selects)) {
    const known = choices[name].some(([value]) => value === state[name]);
    if (state[name] !== null && !known) choices[name].push([state[name], state[name], 0]);
    select.replaceChildren(
      element("option", { value: "" }, `all ${name}s`),
      ...choices[name].map(([value, text, images]) => {
        const option = element("option", { selected: value === state[name] }, `${text} (${number(images)})`);
        option.choice = value; // "" may be a label, too
        return option;
      }),
    );
    select.closest("label").hidden = !choices[name].length;
    select.classList.toggle("set", state[name] !== null);
  }
}

const indented = (folder) => {
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
  if (link.origin !== location.origin || link.pathname !== "/" || link.hash) return;
  event.preventDefault();
  go(stateOf(link.search), { focus: event.detail === 0, preview: null });
});

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, select, textarea")) return;
  if (event.key === "Escape" && state.view !== "wall") {
    go({ ...wallState, folder: state.folder, label: state.label }, { focus: true });
    return;
  }
  const grid = view.querySelector(".grid");
  const inGrid = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key);
  if (shown.keys?.[event.key]) {
    event.preventDefault();
    shown.keys[event.key](event);
  } else if (grid && inGrid && moveIn(grid, event.key)) {
    event.preventDefault();
  }
});

addEventListener("popstate", () => {
  state = stateOf(location.search);
  render();
});

let wide = innerWidth;
addEventListener("resize", () => {
  if (state.view === "wall" && innerWidth !== wide) render();
  wide = innerWidth;
});

// Another process may have added images, or taken some away.
setInterval(async () => {
  if (document.hidden || !statistics) return;
  const before = statistics.images;
  statistics = await ask("/api/statistics").catch(() => statistics);
  if (statistics.images !== before && state.view === "wall") render();
}, LOOK_AGAIN);

listen({ go, current: () => state, statistics: () => statistics });
render();
