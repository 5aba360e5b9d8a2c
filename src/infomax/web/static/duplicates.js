// Duplicates: groups side by side. Ticked images stay, the others go to the trash folder.

import { requestComputed } from "./api.js";
import { announce, attempt, busy, button, element, formatBytes, formatCount, formatNumber, message } from "./elements.js";
import { keepAll, trashImages } from "./actions.js";
import { linkTo } from "./address.js";
import { fileName, folderName, grid, tile } from "./images.js";

const SHOWN = 25; // groups on one page
const KINDS = {
  "same bytes": "The files are equal",
  "same image": "The same image, saved differently",
  near: "Nearly the same",
};

const SETTLING = 700; // milliseconds after an action in which a click is taken for a slip: another group has moved under it

const choices = new Map(); // ids of the images of a group -> those that are ticked, while this tab is open
let acted = false;
let blockedUntil = 0;

// Do something with a group, once.
function act(work) {
  if (performance.now() < blockedUntil) return;
  acted = true;
  blockedUntil = Infinity;
  attempt(work).finally(() => (blockedUntil = performance.now() + SETTLING));
}

export async function show(view, state, context) {
  const { signal, statistics } = context;
  const found = await requestComputed(
    "api/duplicates",
    { offset: state.from, limit: SHOWN },
    { signal, waiting: () => view.replaceChildren(busy("Looking for duplicates …")) },
  );
  if (!found.groups.length) {
    const first = state.from > 0 && element("a", { href: linkTo({ ...state, from: 0 }) }, "To the first groups");
    view.replaceChildren(message(state.from ? "There are no more groups." : "No duplicates are left.", first));
    announce("No duplicates");
    return { title: "Duplicates" };
  }
  const all = button("", () => act(() => trashImages(surplus(), context)), { class: "danger" });
  const groups = found.groups.map((group) => createGroup(group, state, context, statistics.changes, () => count()));
  function surplus() {
    return groups.flatMap((each) => each.surplus());
  }
  function count() {
    all.textContent = `Move ${formatCount(surplus().length, "image")} of the groups shown to the trash`;
    all.disabled = !surplus().length;
  }
  count();
  view.replaceChildren(
    element(
      "header",
      { class: "view-head" },
      element("h1", {}, `${formatCount(found.total, "group")} of duplicates`),
      element(
        "p",
        { class: "muted" },
        statistics.changes
          ? "The best image of each group is ticked. Unticked ones are moved to the trash folder, from where they can be restored."
          : "The best image of each group is ticked. To move the others, start this page with --allow-changes.",
      ),
      statistics.changes &&
        all,
    ),
    ...groups.map((each) => each.element),
    pages(found, state),
  );
  if (acted) blockedUntil = performance.now() + SETTLING;
  acted = false;
  announce(formatCount(found.total, "group"));
  return { title: "Duplicates" };
}

function createGroup(group, state, context, changes, changed) {
  const images = group.images.map((each) => each.image);
  const ids = images.map(({ id }) => id);
  const kept = choices.get(ids.join()) ?? new Set(group.images.filter((each) => each.best).map((each) => each.image.id));
  choices.set(ids.join(), kept);
  const surplus = () => (kept.size ? ids.filter((id) => !kept.has(id)) : []); // a group of which nothing would stay is left alone
  const move = button("", () => act(() => trashImages(surplus(), context)), { class: "danger" });
  const update = () => {
    const count = surplus().length;
    move.disabled = count === 0;
    move.textContent = count ? `Move ${formatCount(count, "image")} to the trash` : kept.size ? "All are kept" : "Tick what to keep";
  };
  const tiles = group.images.map((each) => {
    const { image } = each;
    const tick = element("input", {
      type: "checkbox",
      checked: kept.has(image.id),
      "aria-label": `Keep ${fileName(image)}`,
      onchange: (event) => {
        if (event.target.checked) kept.add(image.id);
        else kept.delete(image.id);
        event.target.closest(".tile").classList.toggle("best", event.target.checked);
        update();
        changed();
      },
    });
    const facts = [
      `${formatNumber(image.width)} × ${formatNumber(image.height)}`,
      formatBytes(image.size),
      image.format,
      image.taken?.slice(0, 10),
      each.change,
    ].filter(Boolean);
    const caption = element(
      "div",
      { class: "facts-of" },
      changes && element("label", {}, tick, each.best ? "Keep (best)" : "Keep"),
      !changes && each.best && element("b", {}, "Best"),
      element("span", { class: "file" }, fileName(image)),
      element("span", {}, facts.join(" · ")),
      element("span", { class: "muted", title: folderName(image) }, shortFolder(image)),
    );
    return tile(image, state, { caption, class: kept.has(image.id) ? "best" : "" });
  });
  update();
  const heading = `${formatCount(images.length, "image")}: ${KINDS[group.kind]}`;
  return {
    surplus,
    element: element(
      "section",
      { class: "group", "aria-label": heading },
      element("h2", {}, heading),
      grid(tiles, { class: "copies", "aria-label": heading }),
      changes && element("div", { class: "group-actions" }, move, button("Keep all", () => act(() => keepAll(images, context)), { title: "Remember that these are no duplicates" })),
    ),
  };
}

const shortFolder = (image) => folderName(image).split("/").slice(-2).join("/");

function pages(found, state) {
  const last = state.from + found.groups.length;
  return element(
    "nav",
    { class: "pager", "aria-label": "Pages" },
    state.from > 0 && element("a", { class: "page-link", href: linkTo({ ...state, from: Math.max(0, state.from - SHOWN) }), "aria-label": "Previous page" }, "←"),
    element("span", { class: "page-range" }, `${formatNumber(state.from + 1)}–${formatNumber(last)} of ${formatNumber(found.total)}`),
    last < found.total && element("a", { class: "page-link", href: linkTo({ ...state, from: last }), "aria-label": "Next page" }, "→"),
  );
}
