// Why two images match: what the model sees of both, and how much each place speaks for the other image.

import { request } from "./api.js";
import { attempt, button, element } from "./elements.js";
import { fileName } from "./images.js";

export function explain(query, match) {
  return attempt(async () => {
    const maps = await request("api/explanations", { id: query.id, other: match.id });
    show(query, match, maps);
  });
}

function show(query, match, maps) {
  const figures = [panel(query, maps.query, maps.most), panel(match, maps.match, maps.most)];
  const heat = checkbox("Heat", true, (on) => figures.forEach(({ canvas }) => (canvas.hidden = !on)));
  const raw = checkbox("What the model sees, pixel by pixel", false, (on) =>
    figures.forEach(({ figure }) => figure.classList.toggle("raw", on)),
  );
  const dialog = element(
    "dialog",
    { class: "why", "aria-label": "Why these match", onclose: () => dialog.remove() },
    element("h2", {}, `Why ${fileName(match)} matches`),
    element("div", { class: "pair" }, figures.map(({ figure }) => figure)),
    element("p", {}, heat, raw),
    element("p", { class: "muted" }, "Red places speak for the match, blue ones against it. The model sees the central square, at this resolution."),
    button("Close", () => dialog.close(), { class: "primary" }),
  );
  document.body.append(dialog);
  dialog.showModal();
}

function checkbox(text, checked, change) {
  return element("label", {}, element("input", { type: "checkbox", checked, onchange: (event) => change(event.target.checked) }), text);
}

function panel(image, map, most) {
  const canvas = element("canvas", { width: map[0].length, height: map.length, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(map[0].length, map.length);
  map.flat().forEach((value, place) => {
    const strength = Math.min(1, Math.abs(value) / (most || 1));
    const color = value > 0 ? [230, 30, 30] : [40, 90, 255];
    pixels.data.set([...color, Math.round(190 * Math.sqrt(strength))], 4 * place);
  });
  context.putImageData(pixels, 0, 0);
  const seen = element("img", { src: `./api/seen/${image.id}`, alt: `${fileName(image)}, as the model sees it` });
  return { canvas, figure: element("figure", {}, seen, canvas) };
}
