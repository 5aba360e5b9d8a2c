// What can be done with selected images: the bar at the bottom of the page, and the actions that views share.

import { download, send } from "./api.js";
import { attempt, button, element, formatCount, note } from "./elements.js";
import { toMap, toNeighbors } from "./address.js";
import { fileName, selectAll } from "./images.js";
import { clearSelection, onSelectionChange, selectedIds } from "./selection.js";

const MOST_TOGETHER = 64; // images of one query, as the server has it

// `context` has go(), currentState(), statistics() and changed(), which is called after something was changed.
export function showActions(context) {
  const bar = document.getElementById("actions");
  const draw = () => {
    const ids = selectedIds();
    bar.hidden = !ids.length;
    document.body.classList.toggle("selecting", ids.length > 0);
    if (ids.length) bar.replaceChildren(...controls(ids, context));
  };
  const room = () => document.body.style.setProperty("--actions-height", `${bar.offsetHeight}px`); // notes stay above it
  new ResizeObserver(room).observe(bar);
  onSelectionChange(draw);
  document.addEventListener("statistics", draw);
}

function controls(ids, context) {
  const { go, currentState } = context;
  const changes = context.statistics()?.changes;
  const findAlike = () => {
    const [first, ...rest] = ids.slice(0, MOST_TOGETHER);
    go(toNeighbors(currentState(), first, { like: rest.join(",") || null }), { focus: true });
  };
  return [
    element("strong", {}, `${formatCount(ids.length, "image")} selected`),
    button("Find like these", findAlike, { class: "primary" }),
    button("Show on map", () => go(toMap(currentState()))),
    button("Copy paths", () => attempt(() => copyPaths(ids))),
    button("CSV", () => attempt(() => download(ids, "csv")), { "aria-label": "Download the list as CSV" }),
    button("JSON", () => attempt(() => download(ids, "json")), { "aria-label": "Download the list as JSON" }),
    changes && tagForm(ids, context),
    changes && currentState().tag !== null && button(`Remove tag “${currentState().tag}”`, () => attempt(() => tagImages(ids, currentState().tag, context, true))),
    changes && (currentState().hidden ? button("Show again", () => attempt(() => hideImages(ids, context, false))) : button("Hide", () => attempt(() => hideImages(ids, context)))),
    changes && button("Move to trash", () => attempt(() => trashImages(ids, context)), { class: "danger" }),
    button("Clear", clearSelection, { class: "quiet" }),
  ].filter(Boolean);
}

function tagForm(ids, context) {
  const input = element("input", {
    name: "tag",
    type: "text",
    list: "known-tags",
    placeholder: "Tag …",
    "aria-label": "Tag for the selected images",
    maxlength: 100,
    autocomplete: "off",
    required: true,
  });
  const submit = (event) => {
    event.preventDefault();
    const tag = input.value.trim();
    if (tag) attempt(() => tagImages(ids, tag, context));
  };
  return element("form", { class: "tagging", onsubmit: submit }, input, element("button", { type: "submit" }, "Tag"));
}

async function copyPaths(ids) {
  const images = await send("api/export", { ids, format: "json" });
  await navigator.clipboard.writeText(images.map(({ path }) => path).join("\n"));
  note(`Copied ${formatCount(images.length, "path")}.`);
}

async function tagImages(ids, tag, context, remove = false) {
  const { changed } = await send("api/tags", { ids, tag, remove });
  const undo = async () => {
    await send("api/tags", { ids, tag, remove: !remove });
    context.changed();
  };
  if (remove) clearSelection();
  context.changed();
  note(`${remove ? "Removed" : "Added"} the tag “${tag}” ${remove ? "from" : "to"} ${formatCount(changed, "image")}.`, undo);
}

async function hideImages(ids, context, hidden = true) {
  const { changed } = await send("api/hidden", { ids, hidden });
  const undo = async () => {
    await send("api/hidden", { ids, hidden: !hidden });
    context.changed();
  };
  clearSelection();
  context.changed();
  note(`${hidden ? "Hid" : "Shows again"} ${formatCount(changed, "image")}.`, undo);
}

export async function trashImages(ids, context) {
  const { moves, left } = await send("api/trash", { ids });
  const undo = async () => {
    await send("api/trash/restore", { moves });
    context.changed();
  };
  clearSelection();
  context.changed();
  const stays = left.length ? ` ${formatCount(left.length, "file")} stayed: ${fileName(left[0])} ${left[0].reason}.` : "";
  note(`Moved ${formatCount(moves.length, "image")} to the trash folder.${stays}`, moves.length ? undo : null);
}

export async function keepAll(images, context) {
  const { id } = await send("api/decisions", { ids: images.map((image) => image.id) });
  const undo = async () => {
    await send(`api/decisions/${id}`, {}, { method: "DELETE" });
    context.changed();
  };
  context.changed();
  note(`Kept all ${formatCount(images.length, "image")}. They are no longer listed as duplicates.`, undo);
}

// Select every image of the view, and say so where others are selected, too.
export async function selectView() {
  const listed = await selectAll();
  const others = selectedIds().length - listed;
  if (others > 0) note(`${formatCount(others, "image")} that ${others === 1 ? "is" : "are"} not listed here had been selected before.`);
}
