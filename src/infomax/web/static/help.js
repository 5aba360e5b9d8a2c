// The list of keys, which "?" opens.

import { button, element } from "./elements.js";

const KEYS = [
  ["Arrows, Home, End", "move from image to image"],
  ["Enter", "find similar images"],
  ["Space", "see the image itself"],
  ["X", "select the image; with Shift all up to it"],
  ["Ctrl A", "select all images of the view"],
  ["Escape", "close, clear the selection, or back to all images"],
  ["E", "in an open image: find similar images"],
  ["+ − 0", "in an open image or on the map: zoom"],
  ["/", "filter by folder or label"],
  ["?", "this list"],
];

export function createHelp() {
  const dialog = element(
    "dialog",
    { class: "help", "aria-label": "Keys" },
    element("h2", {}, "Keys"),
    element("dl", {}, KEYS.map(([keys, text]) => [element("dt", {}, keys), element("dd", {}, text)])),
    element("p", { class: "muted" }, "On a touch screen a long press selects. Drop or paste an image to search by it."),
    button("Close", () => dialog.close(), { class: "primary" }),
  );
  document.body.append(dialog);
  return { open: () => !dialog.open && dialog.showModal() };
}
