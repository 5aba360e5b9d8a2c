// An image dropped, pasted or chosen.

import { matchesOf } from "./api.js";
import { complain } from "./elements.js";
import { vectorOf } from "./address.js";

const SIDE = 320;

export function listen({ go, current, statistics }) {
  const [button, input, overlay] = ["choose", "file", "drop"].map((id) => document.getElementById(id));
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    if (input.files.length) search(input.files[0]);
    input.value = "";
  });

  let depth = 0;
  const holdsFile = (event) => event.dataTransfer?.types.includes("Files");
  const reveal = (change) => {
    depth = change ? Math.max(0, depth + change) : 0;
    overlay.hidden = depth === 0;
  };
  addEventListener("dragenter", (event) => holdsFile(event) && reveal(1));
  addEventListener("dragleave", (event) => holdsFile(event) && reveal(-1));
  addEventListener("dragover", (event) => holdsFile(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    reveal(0);
    search(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (file) search(file);
    else complain("The clipboard holds no image.");
  });

  async function search(file) {
    const limit = statistics().upload_bytes;
    if (file.size > limit) {
      complain(`${file.name || "The image"} is larger than ${limit >> 20} MB: choose a smaller one.`);
      return;
    }
    document.body.setAttribute("aria-busy", "true");
    try {
      const [found, preview] = await Promise.all([matchesOf(file, current()), drawn(file)]);
      await go(vectorOf(current(), found.vector), { preview, found, focus: true });
    } catch (error) {
      complain(error.message);
    } finally {
      document.body.removeAttribute("aria-busy");
    }
  }
}

// A small copy to show, which the history of this tab keeps. None where the browser does not know the format.
async function drawn(file) {
  try {
    const image = await createImageBitmap(file);
    const scale = Math.min(1, SIDE / Math.max(image.width, image.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(image.width * scale));
    canvas.height = Math.max(1, Math.round(image.height * scale));
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/webp", 0.85);
  } catch {
    return null;
  }
}
