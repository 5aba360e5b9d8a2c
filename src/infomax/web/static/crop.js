// The frame of the query: drag a rectangle on it to search by that part.

import { element } from "./elements.js";

const LEAST = 0.05; // of a side; less is a slip of the hand
const PARTS = {
  "the whole image": null,
  "the middle": "0.25,0.25,0.5,0.5",
  "the left half": "0,0,0.5,1",
  "the right half": "0.5,0,0.5,1",
  "the upper half": "0,0,1,0.5",
  "the lower half": "0,0.5,1,0.5",
};

// `crop` is the part that is searched by, "x,y,width,height" as parts of the sides; null is the whole. `choose` is called
// with another one, and with the name of the control that keeps the focus.
export function cropFrame(shown, ratio, crop, choose) {
  const mark = element("div", { class: "crop-mark", hidden: !crop });
  const canvas = element("div", { class: "crop-area" }, shown, mark);
  canvas.style.setProperty("--ratio", String(ratio));
  canvas.style.setProperty("aspect-ratio", String(ratio));
  if (crop) place(mark, crop.split(",").map(Number));
  drag(canvas, mark, (drawn) => choose(drawn, null));
  return element(
    "div",
    {},
    element("div", { class: "frame", title: "Drag a rectangle to search by a part" }, canvas),
    element(
      "label",
      { class: "crop-choice" },
      "Search by ",
      element(
        "select",
        { name: "part", onchange: (event) => event.target.value !== "custom" && choose(PARTS[event.target.value], "part") },
        Object.entries(PARTS).map(([name, part]) => element("option", { value: name, selected: part === crop }, name)),
        crop && !Object.values(PARTS).includes(crop) && element("option", { value: "custom", selected: true }, "the marked part"),
      ),
    ),
  );
}

function place(mark, [x, y, width, height]) {
  for (const [name, part] of Object.entries({ left: x, top: y, width, height })) {
    mark.style.setProperty(name, `${100 * part}%`);
  }
}

function drag(canvas, mark, done) {
  let start = null;
  const at = (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const within = (value) => Math.min(1, Math.max(0, value));
    return [within((event.clientX - left) / width), within((event.clientY - top) / height)];
  };
  const boxTo = (end) => {
    const [x, y] = [Math.min(start[0], end[0]), Math.min(start[1], end[1])];
    return [x, y, Math.abs(end[0] - start[0]), Math.abs(end[1] - start[1])];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    start = at(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!start) return;
    mark.hidden = false;
    place(mark, boxTo(at(event)));
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!start) return;
    const box = boxTo(at(event));
    start = null;
    if (box[2] >= LEAST && box[3] >= LEAST) done(box.map((part) => Number(part.toFixed(3))).join(","));
    else mark.hidden = true;
  });
  canvas.addEventListener("pointercancel", () => (start = null));
}
