// The card on the map: thumbnail, name and group of the selected point.

import { request } from "./api.js";
import { linkTo, toNeighbors } from "./address.js";
import { element } from "./elements.js";
import { fileName } from "./images.js";

const DISTANCE = 40; // pixels between the card and its point, which may have a thumbnail
const MARGIN = 8; // pixels between the card and the edge of the map

export class MapCard {
  #plot;
  #map;
  #groupName;
  #state;
  #signal;
  #turn = 0; // counts selections, so that a late answer is ignored

  constructor(plot, map, groupName, state, signal) {
    this.element = element("a", { class: "card", hidden: true, "aria-live": "polite" });
    this.#plot = plot;
    this.#map = map;
    this.#groupName = groupName;
    this.#state = state;
    this.#signal = signal;
  }

  // Select a point of the plot and show its card. -1 hides the card.
  async select(i) {
    if (i === this.#plot.selected && !this.element.hidden) return;
    this.#plot.select(i);
    const turn = ++this.#turn;
    if (i < 0) {
      this.element.hidden = true;
      return;
    }
    const id = this.#map.ids[i];
    const group = this.#groupName(i);
    const text = element("span", {}, group ?? "");
    this.element.href = linkTo(toNeighbors(this.#state, id));
    this.element.replaceChildren(element("img", { src: `api/thumbnails/${id}`, alt: "" }), text);
    this.element.hidden = false;
    this.#moveTo(i);
    const image = await request(`api/images/${id}`, {}, { signal: this.#signal }).catch(() => null);
    if (turn !== this.#turn || this.#signal.aborted) return;
    const lines = image
      ? [element("b", {}, fileName(image)), group, image.state === "gone" && "deleted"]
      : ["removed from the index"];
    text.replaceChildren(...lines.filter(Boolean).map((line) => element("span", {}, line)));
    this.#moveTo(i);
  }

  // Move the card next to a point, within the edges of the map.
  #moveTo(i) {
    const [pointX, pointY] = this.#plot.positionOf(i);
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const fitsOnTheRight = pointX + DISTANCE + width <= this.#plot.viewport.width;
    const x = Math.max(MARGIN, fitsOnTheRight ? pointX + DISTANCE : pointX - DISTANCE - width);
    const y = Math.min(Math.max(MARGIN, pointY - height / 2), this.#plot.viewport.height - height - MARGIN);
    this.element.style.setProperty("transform", `translate(${Math.round(x)}px, ${Math.round(y)}px)`);
  }
}
