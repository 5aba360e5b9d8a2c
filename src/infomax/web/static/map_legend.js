// The legend of the map: what is colored by, and the groups with their colors. Each group can be shown alone.

import { element, formatCount, formatNumber } from "./elements.js";

const MAX_GROUPS = 60; // groups in the legend

export class Legend {
  #list = element("div", { class: "legend-groups" });
  #shown = new Set();
  #onchange;

  // colorings: by name. onchange({ color, shown }) is called when the user has chosen.
  constructor(colorings, current, onchange) {
    this.#onchange = onchange;
    const options = Object.entries(colorings).map(([name, { title }]) =>
      element("option", { value: name, selected: name === current }, title),
    );
    this.select = element("select", { "aria-label": "Color by", onchange: () => this.#choose() }, options);
    this.element = element(
      "section",
      { class: "legend", "aria-label": "Legend" },
      element("label", {}, element("span", {}, "Color by"), this.select),
      this.#list,
    );
  }

  // Show the groups of a coloring. `shown` has those that are not dimmed; none means all.
  fill(coloring, colors, shown) {
    this.#shown = new Set(shown);
    this.#list.replaceChildren(...(coloring.names ? this.#groups(coloring, colors) : [gradient(coloring, colors)]));
  }

  #choose() {
    this.#shown.clear();
    this.#onchange({ color: this.select.value, shown: [] });
  }

  #groups(coloring, colors) {
    const { title, names } = coloring;
    const hidden = names.length - MAX_GROUPS;
    return [
      element(
        "ul",
        { "aria-label": `${title}s` },
        names.slice(0, MAX_GROUPS).map((_, index) => element("li", {}, this.#group(coloring, index, colors[index]))),
      ),
      hidden > 0 && element("p", {}, `and ${formatNumber(hidden)} more`),
      element("button", { type: "button", class: "show-all", hidden: !this.#shown.size, onclick: () => this.#showAll() }, "Show all"),
    ].filter(Boolean);
  }

  #group({ title, names, counts, medoids }, index, color) {
    const name = medoids && /^\d+$/.test(names[index]) ? `Cluster ${names[index]}` : names[index];
    return element(
      "button",
      {
        type: "button",
        "aria-pressed": String(this.#shown.has(index)),
        title: `${title} ${names[index]}: ${formatCount(counts[index], "image")}. Click to show it alone, or to add it.`,
        onclick: (event) => this.#toggle(index, event.currentTarget),
      },
      element("i", { style: { background: color } }),
      medoids && element("img", { src: `api/thumbnails/${medoids[index]}`, alt: "", loading: "lazy" }),
      element("span", { class: "group-name" }, name),
      element("span", { class: "group-count" }, formatNumber(counts[index])),
    );
  }

  #toggle(index, button) {
    if (!this.#shown.delete(index)) this.#shown.add(index);
    button.setAttribute("aria-pressed", String(this.#shown.has(index)));
    this.#changed();
  }

  #showAll() {
    this.#shown.clear();
    for (const button of this.#list.querySelectorAll("[aria-pressed]")) button.setAttribute("aria-pressed", "false");
    this.select.focus();
    this.#changed();
  }

  #changed() {
    this.#list.querySelector(".show-all").hidden = !this.#shown.size;
    this.#onchange({ color: this.select.value, shown: [...this.#shown].sort((a, b) => a - b) });
  }
}

// The colors of a ramp, between the names of its ends.
function gradient({ ends }, colors) {
  return element(
    "div",
    { class: "ramp" },
    element("i", { style: { background: `linear-gradient(to right in oklch, ${colors.join(", ")})` } }),
    ...ends.map((end) => element("span", {}, end)),
  );
}
