// The lightbox: one image as its file has it, with zoom, and the next ones of the view to both sides.

import { button, element, formatBytes, formatNumber } from "./elements.js";
import { fileName } from "./images.js";

const MOST = 12; // times the size that fits the screen
const STEP = 1.25; // of the wheel and of the keys

// `context` has similar(image), which shows its neighbors, moved(image), closed(), and originals: whether files may be
// opened. Returns { show(image), close() }.
export function createLightbox(context) {
  const photo = element("img", { alt: "", draggable: "false" });
  const stage = element("div", { class: "stage" }, photo);
  const name = element("h2", {});
  const facts = element("p", {});
  const dialog = element(
    "dialog",
    { class: "lightbox", "aria-label": "Image" },
    stage,
    element("div", { class: "lightbox-text" }, name, facts),
    element(
      "div",
      { class: "lightbox-keys" },
      button("‹", () => step(-1), { "aria-label": "Previous image" }),
      button("›", () => step(1), { "aria-label": "Next image" }),
      button("−", () => zoomBy(1 / STEP), { "aria-label": "Zoom out" }),
      button("+", () => zoomBy(STEP), { "aria-label": "Zoom in" }),
      button("Similar", () => context.similar(shown), { title: "Neighbors (E)" }),
      button("×", () => dialog.close(), { "aria-label": "Close" }),
    ),
  );
  document.body.append(dialog);
  let shown = null;
  let view = { scale: 1, x: 0, y: 0 };

  dialog.addEventListener("close", () => context.closed());
  dialog.addEventListener("keydown", (event) => {
    const act = {
      ArrowLeft: () => step(-1),
      ArrowRight: () => step(1),
      "+": () => zoomBy(STEP),
      "=": () => zoomBy(STEP),
      "-": () => zoomBy(1 / STEP),
      0: () => setView({ scale: 1, x: 0, y: 0 }),
      e: () => context.similar(shown),
      E: () => context.similar(shown),
      " ": () => event.target.tagName !== "BUTTON" && dialog.close(),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && event.target.tagName === "BUTTON") return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
  stage.addEventListener("click", (event) => event.target === stage && !dragged && dialog.close());
  stage.addEventListener("dblclick", (event) => (view.scale > 1 ? setView({ scale: 1, x: 0, y: 0 }) : zoomBy(3, event)));
  stage.addEventListener("wheel", (event) => (event.preventDefault(), zoomBy(event.deltaY < 0 ? STEP : 1 / STEP, event)), {
    passive: false,
  });

  // One finger or the mouse moves the image, or turns to the next one; two fingers zoom.
  const fingers = new Map();
  let dragged = false;
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY, from: event.clientX });
    dragged = false;
  });
  stage.addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger) return;
    const [dx, dy] = [event.clientX - finger.x, event.clientY - finger.y];
    dragged ||= Math.hypot(event.clientX - finger.from, dy) > 6;
    if (fingers.size === 2) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      const before = Math.hypot(finger.x - other.x, finger.y - other.y);
      const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
      if (before > 0) zoomBy(after / before, event);
    } else if (view.scale > 1) setView({ ...view, x: view.x + dx, y: view.y + dy });
    fingers.set(event.pointerId, { ...finger, x: event.clientX, y: event.clientY });
  });
  const lift = (event) => {
    const finger = fingers.get(event.pointerId);
    fingers.delete(event.pointerId);
    const swiped = finger && event.pointerType !== "mouse" ? event.clientX - finger.from : 0;
    if (view.scale === 1 && !fingers.size && Math.abs(swiped) > 60) step(swiped < 0 ? 1 : -1);
  };
  stage.addEventListener("pointerup", lift);
  stage.addEventListener("pointercancel", lift);

  function zoomBy(factor, event = null) {
    const scale = Math.min(MOST, Math.max(1, view.scale * factor));
    const { left, top, width, height } = stage.getBoundingClientRect();
    const [px, py] = event ? [event.clientX - left - width / 2, event.clientY - top - height / 2] : [0, 0];
    const grown = scale / view.scale;
    setView(scale === 1 ? { scale, x: 0, y: 0 } : { scale, x: px - grown * (px - view.x), y: py - grown * (py - view.y) });
  }

  function setView(next) {
    view = next;
    photo.style.setProperty("transform", `translate(${view.x}px, ${view.y}px) scale(${view.scale})`);
    stage.classList.toggle("zoomed", view.scale > 1);
  }

  function step(direction) {
    const tiles = [...document.querySelectorAll("#view .tile")];
    const current = tiles.findIndex((each) => each.image.id === shown.id);
    const next = tiles[current + direction];
    if (!next) return;
    next.scrollIntoView({ block: "nearest" });
    show(next.image);
    context.moved(next.image);
  }

  function show(image) {
    shown = image;
    const version = image.thumbnail.includes("?") ? image.thumbnail.slice(image.thumbnail.indexOf("?")) : "";
    const small = `.${image.thumbnail}`;
    photo.onerror = () => photo.src !== new URL(small, location.href).href && (photo.src = small);
    photo.src = context.originals() ? `./api/originals/${image.id}${version}` : small;
    photo.alt = fileName(image);
    photo.classList.toggle("pixelated", Math.max(image.width, image.height) <= 256);
    name.textContent = fileName(image);
    facts.textContent = [
      `${formatNumber(image.width)} × ${formatNumber(image.height)}`,
      formatBytes(image.size),
      image.format,
      image.taken?.slice(0, 16).replace("T", " "),
      image.camera,
      image.label,
      ...image.tags,
    ]
      .filter(Boolean)
      .join(" · ");
    setView({ scale: 1, x: 0, y: 0 });
    if (!dialog.open) dialog.showModal();
  }

  return { show, close: () => dialog.open && dialog.close(), isOpen: () => dialog.open, shown: () => shown };
}
