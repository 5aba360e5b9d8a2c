// Images that the user drops, pastes or chooses.

import { findMatchesOfUpload } from "./api.js";
import { element, showError } from "./elements.js";
import { toVector } from "./address.js";

const PREVIEW_SIDE = 320; // maximum width and height of the preview, in pixels

export function listenForImages(context) {
  const search = (file) => searchByFile(file, context);
  listenForChoice(search);
  listenForDrop(search);
  addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (file) search(file);
    else showError("The clipboard contains no image.");
  });
}

function listenForChoice(search) {
  const input = document.getElementById("file");
  document.getElementById("choose").addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    if (input.files.length) search(input.files[0]);
    input.value = "";
  });
}

function listenForDrop(search) {
  const overlay = document.getElementById("drop");
  const holdsFile = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0; // enter and leave events also come from nested elements, so they are counted
  const setDepth = (value) => {
    depth = Math.max(0, value);
    overlay.hidden = depth === 0;
  };
  addEventListener("dragenter", (event) => holdsFile(event) && setDepth(depth + 1));
  addEventListener("dragleave", (event) => holdsFile(event) && setDepth(depth - 1));
  addEventListener("dragover", (event) => holdsFile(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    setDepth(0);
    search(event.dataTransfer.files[0]);
  });
}

async function searchByFile(file, { go, currentState, currentStatistics }) {
  const limit = currentStatistics().upload_bytes;
  if (file.size > limit) {
    showError(`${file.name || "The image"} is larger than ${limit >> 20} MB. Choose a smaller image.`);
    return;
  }
  document.body.setAttribute("aria-busy", "true");
  try {
    const [found, shown] = await Promise.all([findMatchesOfUpload(file, currentState()), createPreview(file)]);
    const preview = shown && { ...shown, crop: null, vector: found.vector };
    await go(toVector(currentState(), found.vector), { preview, found, focus: true });
  } catch (error) {
    showError(error.message);
  } finally {
    document.body.removeAttribute("aria-busy");
  }
}

// Search by a part of an upload, as its preview shows it, or again by the whole, where `crop` is null.
export async function searchByPart(preview, crop, state, go) {
  const next = { ...preview, crop };
  if (crop === null) return go(toVector(state, preview.vector), { preview: next });
  const found = await findMatchesOfUpload(await partOf(preview.image, crop.split(",").map(Number)), state);
  return go(toVector(state, found.vector), { preview: next, found });
}

async function partOf(address, [x, y, width, height]) {
  const image = element("img", { src: address });
  await image.decode();
  const sides = [x * image.width, y * image.height, width * image.width, height * image.height].map(Math.round);
  const [left, top, ...size] = sides;
  const [across, down] = size.map((each) => Math.max(1, each));
  const canvas = draw(image, [left, top, across, down], [across, down]);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

// A small copy of the image for the history of this tab, or null if the browser does not know the format.
async function createPreview(file) {
  try {
    const image = await createImageBitmap(file);
    const scale = Math.min(1, PREVIEW_SIDE / Math.max(image.width, image.height));
    const size = [image.width, image.height].map((each) => Math.max(1, Math.round(each * scale)));
    const canvas = draw(image, [0, 0, image.width, image.height], size);
    return { image: canvas.toDataURL("image/webp", 0.85), ratio: image.width / image.height };
  } catch {
    return null;
  }
}

// Draw a box of an image, [left, top, width, height], on a canvas of a size.
function draw(image, box, [width, height]) {
  const canvas = element("canvas", { width, height });
  canvas.getContext("2d").drawImage(image, ...box, 0, 0, width, height);
  return canvas;
}
