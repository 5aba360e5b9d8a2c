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
  const all = button("", () => attempt(() => trashImages(surplus(), context)), { class: "danger" });
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
  announce(formatCount(found.total, "group"));
  return { title: "Duplicates" };
}

function createGroup(group, state, context, changes, changed) {
  const kept = new Set(group.images.filter((each) => each.best).map((each) => each.image.id));
  const images = group.images.map((each) => each.image);
  const surplus = () => images.map(({ id }) => id).filter((id) => !kept.has(id));
  const act = button("Move the others to the trash", () => attempt(() => trashImages(surplus(), context)), { class: "danger" });
  const update = () => {
    const count = surplus().length;
    act.disabled = count === 0 || kept.size === 0;
    act.textContent = count ? `Move ${formatCount(count, "image")} to the trash` : "All are kept";
  };
  const tiles = group.images.map((each) => {
    const { image } = each;
    const tick = element("input", {
      type: "checkbox",
      checked: each.best,
      "aria-label": `Keep ${fileName(image)}`,
      onchange: (event) => {
        if (event.target.checked) kept.add(image.id);
        else kept.delete(image.id);
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
    return tile(image, state, { caption, class: each.best ? "best" : "" });
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
      changes && element("div", { class: "group-actions" }, act, button("Keep all", () => attempt(() => keepAll(images, context)), { title: "Remember that these are no duplicates" })),
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
