// Trash: images that were moved to the trash folder. They can be restored; nothing is ever deleted from here.

import { request, send } from "./api.js";
import { announce, attempt, button, element, formatBytes, formatCount, message, note } from "./elements.js";
import { thumbnail } from "./images.js";

export async function show(view, state, context) {
  const { signal, statistics } = context;
  const { folder, images } = await request("api/trash", {}, { signal });
  announce(`Trash: ${formatCount(images.length, "image")}`);
  if (!images.length) {
    view.replaceChildren(message("The trash is empty."));
    return { title: "Trash" };
  }
  const restore = (moves) => attempt(() => restoreMoves(moves, context));
  view.replaceChildren(
    element(
      "header",
      { class: "view-head" },
      element("h1", {}, `${formatCount(images.length, "image")} in the trash`),
      element("p", { class: "muted" }, "Their files are in ", element("code", {}, folder), ". Delete them there when you are sure."),
      statistics.changes && button("Restore all", () => restore(null)),
    ),
    element(
      "ul",
      { class: "trash" },
      images.map((each) =>
        element(
          "li",
          {},
          each.image ? thumbnail(each.image) : element("span", { class: "placeholder" }, "?"),
          element("span", { title: each.path }, each.path),
          element("span", { class: "muted" }, formatBytes(each.size)),
          statistics.changes && button("Restore", () => restore([each.move]), { "aria-label": `Restore ${each.path}` }),
        ),
      ),
    ),
  );
  return { title: "Trash" };
}

async function restoreMoves(moves, context) {
  const { ids, left } = await send("api/trash/restore", { moves });
  context.changed();
  const stays = left.length ? ` ${formatCount(left.length, "file")} stayed: ${left[0].path} ${left[0].reason}.` : "";
  note(`Restored ${formatCount(ids.length, "image")}.${stays}`);
}
