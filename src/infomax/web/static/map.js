// The whole collection as a map.

import { ask } from "./api.js";
import { element, number, plural, say } from "./elements.js";
import { linkOf, mapOf, nearOf, wallOf } from "./address.js";
import { nameOf } from "./images.js";
import { Plot } from "./plot.js";
import { message } from "./wall.js";

const AGAIN = 1000; // milliseconds until a map that is being made is asked for again
const KEPT = 600; // images drawn on the map that are held
const NAMED = 30; // labels that the legend has room for
const STEP = 60; // pixels that an arrow key moves the map

export async function show(view, state, context) {
  const { signal, statistics } = context;
  if (!statistics.images) {
    view.replaceChildren(message("This index holds no images yet, so there is no map."));
    return { title: "Map" };
  }
  let found = await ask("/api/map", {}, { signal });
  while (found.computing !== undefined) {
    view.replaceChildren(
      element(
        "div",
        { class: "message", role: "status" },
        element("div", { class: "spinner", "aria-hidden": "true" }),
        element("h1", {}, `Laying out ${plural(found.computing, "image")}…`),
        element("p", {}, "This is done once. Meanwhile the wall and every search work as ever."),
      ),
    );
    await pause(AGAIN, signal);
    found = await ask("/api/map", {}, { signal });
  }
  return draw(view, state, context, found);
}

function draw(view, state, { go, signal }, found) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colors = [...found.labels.map((_, place) => hue(place, found.labels.length, dark.matches)), color("--point")];
  const groups = Int32Array.from(found.label, (place) => (place < 0 ? found.labels.length : place));
  const canvas = element("canvas", {
    tabindex: 0,
    role: "application",
    "aria-label":
      `A map of ${plural(found.ids.length, "image")}: like ones lie close together. ` +
      "Arrow keys move, plus and minus zoom, 0 shows all, Enter opens the image in the middle.",
  });
  const card = element("a", { class: "card", hidden: true, "aria-live": "polite" });
  const button = (text, label, act) =>
    element("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
  const old = !found.current && element("p", { class: "note" }, "Images have changed: a new map is being made.");
  view.replaceChildren(
    element("h1", { class: "unseen" }, "Map"),
    element(
      "div",
      { class: "map" },
      canvas,
      element(
        "div",
        { class: "tools" },
        button("+", "Zoom in", () => glide(1.8)),
        button("−", "Zoom out", () => glide(1 / 1.8)),
        button("⤢", "Show all", () => plot.reset()),
      ),
      legend(state, found, colors),
      old,
      card,
    ),
  );

  const images = new Map();
  const plot = new Plot(canvas, {
    x: found.x,
    y: found.y,
    groups,
    dimmed: dimmedOf(state, found),
    colors,
    faint: color("--rule"),
    paper: color("--paper"),
    imageOf,
  });
  plot.ink = color("--ink");

  // The thumbnail of a point once it is there; until then null, and `then` is called when it is.
  function imageOf(i, then) {
    const known = images.get(i);
    if (known) return known.complete && known.naturalWidth ? known : null;
    if (images.size >= KEPT) images.delete(images.keys().next().value);
    const image = new Image();
    image.addEventListener("load", then, { once: true });
    image.src = `/api/thumbnails/${found.ids[i]}`;
    images.set(i, image);
    return null;
  }

  let asked = 0;
  async function reveal(i) {
    if (i === plot.chosen && !card.hidden) return;
    plot.choose(i);
    const turn = ++asked;
    if (i < 0) {
      card.hidden = true;
      return;
    }
    const label = found.label[i] < 0 ? null : found.labels[found.label[i]];
    const text = element("span", {}, label ?? "");
    card.href = linkOf(nearOf(state, found.ids[i]));
    card.replaceChildren(element("img", { src: `/api/thumbnails/${found.ids[i]}`, alt: "" }), text);
    card.hidden = false;
    put(i);
    const image = await ask(`/api/images/${found.ids[i]}`, {}, { signal }).catch(() => null);
    if (turn !== asked || signal.aborted) return;
    const lines = image
      ? [element("b", {}, nameOf(image)), label, image.state === "gone" && "deleted"]
      : ["removed meanwhile"];
    text.replaceChildren(...lines.filter(Boolean).map((line) => element("span", {}, line)));
    put(i);
  }

  // Beside its point, and never over the edge.
  function put(i) {
    const [px, py] = plot.placeOf(i);
    const { offsetWidth: w, offsetHeight: h } = card;
    const x = px + 18 + w > plot.width ? px - 18 - w : px + 18;
    const y = Math.min(Math.max(8, py - h / 2), plot.height - h - 8);
    card.style.setProperty("transform", `translate(${Math.round(Math.max(8, x))}px, ${Math.round(y)}px)`);
  }

  const open = (i) => i >= 0 && go(nearOf(state, found.ids[i]), { focus: true, preview: null });
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  // One finger or the mouse moves, two fingers zoom, and what has not moved was a click.
  const held = new Map();
  let moved = 0;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    held.set(event.pointerId, place(event));
    if (held.size === 1) moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = place(event);
    const before = held.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") reveal(plot.nearest(...now));
      return;
    }
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (held.size === 1) {
      if (moved > 4) {
        plot.pan(now[0] - before[0], now[1] - before[1]);
        reveal(-1);
      }
    } else {
      const other = [...held].find(([id]) => id !== event.pointerId)[1];
      const distance = (a) => Math.max(1, Math.hypot(a[0] - other[0], a[1] - other[1]));
      plot.zoom(distance(now) / distance(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      moved = Infinity;
      reveal(-1);
    }
    if (moved > 4) held.set(event.pointerId, now);
  });
  canvas.addEventListener("pointerup", (event) => {
    held.delete(event.pointerId);
    if (moved > 4) return;
    const i = plot.nearest(...place(event), event.pointerType === "touch" ? 24 : undefined);
    if (event.pointerType === "touch") reveal(i);
    else open(i);
  });
  canvas.addEventListener("pointercancel", (event) => held.delete(event.pointerId));
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse" && !held.size && document.activeElement !== canvas) reveal(-1);
  });
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      plot.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), ...place(event));
      reveal(plot.nearest(...place(event)));
    },
    { passive: false },
  );

  const middle = () => plot.nearest(plot.width / 2, plot.height / 2, Math.max(plot.width, plot.height) / 4);
  const keys = {
    ArrowLeft: () => plot.pan(STEP, 0),
    ArrowRight: () => plot.pan(-STEP, 0),
    ArrowUp: () => plot.pan(0, STEP),
    ArrowDown: () => plot.pan(0, -STEP),
    "+": () => plot.zoom(1.4),
    "=": () => plot.zoom(1.4),
    "-": () => plot.zoom(1 / 1.4),
    0: () => plot.reset(),
  };
  for (const [key, act] of Object.entries(keys)) {
    keys[key] = () => {
      act();
      reveal(middle());
    };
  }
  keys.Enter = (event) => {
    if (event.target === canvas) open(plot.chosen >= 0 ? plot.chosen : middle());
    else event.target.click?.();
  };

  function glide(factor) {
    reveal(-1);
    const steps = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1 : 12;
    let done = 0;
    const next = () => {
      if (signal.aborted) return;
      plot.zoom(factor ** (1 / steps));
      if (++done < steps) requestAnimationFrame(next);
    };
    next();
  }

  const observer = new ResizeObserver(() => plot.resize());
  observer.observe(canvas);
  const redo = () => go(state, { replace: true });
  dark.addEventListener("change", redo);
  const later = found.current ? 0 : setTimeout(redo, 4 * AGAIN);
  say(`A map of ${plural(found.ids.length, "image")}`);
  view.plot = plot; // for measuring how fast it draws
  return {
    title: "Map",
    keys,
    leave() {
      clearTimeout(later);
      observer.disconnect();
      dark.removeEventListener("change", redo);
      plot.stop();
    },
  };
}

// Which points the filters leave out; null where they leave out none.
function dimmedOf(state, found) {
  if (state.folder === null && state.label === null) return null;
  const label = found.labels.indexOf(state.label);
  const inside = found.folders.map((each) => each === state.folder || each.startsWith(`${state.folder}/`));
  return Uint8Array.from(found.ids, (_, i) => {
    const counts =
      (state.label === null || found.label[i] === label) &&
      (state.folder === null || (found.folder[i] >= 0 && inside[found.folder[i]]));
    return counts ? 0 : 1;
  });
}

function legend(state, found, colors) {
  if (!found.labels.length) return null;
  const counts = new Array(found.labels.length).fill(0);
  for (const place of found.label) if (place >= 0) counts[place]++;
  const rest = found.labels.length - NAMED;
  return element(
    "ul",
    { class: "legend", "aria-label": "Labels" },
    found.labels.slice(0, NAMED).map((label, place) => {
      const here = state.label === label;
      return element(
        "li",
        {},
        element(
          "a",
          {
            href: linkOf(mapOf(state, { label: here ? null : label })),
            "aria-current": here && "true",
            title: `${plural(counts[place], "image")}${here ? ": show all again" : ""}`,
          },
          element("i", { style: { background: colors[place] } }),
          label,
        ),
      );
    }),
    rest > 0 && element("li", {}, element("a", { href: linkOf(wallOf(state)) }, `and ${number(rest)} more`)),
  );
}

// Colors that neighbors on the list do not share.
function hue(place, count, dark) {
  const angle = count <= 12 ? (360 * place) / count + 15 : (137.508 * place) % 360;
  const lightness = dark ? [0.76, 0.68][place % 2] : [0.62, 0.52][place % 2];
  return `oklch(${lightness} ${dark ? 0.13 : 0.16} ${angle.toFixed(1)})`;
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("left", "AbortError"));
    });
  });
}
