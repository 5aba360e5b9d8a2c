// Filters: folder, label and tag with typing, and dates. They are in the address of every view.

import { element, formatNumber } from "./elements.js";
import { isFiltered, withoutFilters } from "./address.js";

const NAMES = { folder: "Folder", label: "Label", tag: "Tag" };
const DATES = { after: "Taken since", before: "Taken before" };

export function createFilters({ go, currentState }) {
  const form = document.getElementById("filters");
  const fields = Object.fromEntries(Object.entries(NAMES).map(([name, text]) => [name, combo(name, text)]));
  const dates = Object.fromEntries(Object.entries(DATES).map(([name, text]) => [name, dateField(name, text)]));
  const clear = element("button", { type: "button", class: "quiet", onclick: () => go(withoutFilters({ ...currentState(), from: 0 })) }, "Clear filters");
  form.append(...Object.values(fields).map((each) => each.label), ...Object.values(dates).map((each) => each.label), clear);
  form.addEventListener("submit", (event) => event.preventDefault());

  return { fill, focus: () => Object.values(fields).find((each) => !each.label.hidden)?.input.focus() };

  function fill(statistics, tags, state) {
    const root = statistics.root?.length ?? 0;
    fields.folder.fill(
      statistics.folders.map(({ folder, images }) => [folder, folder.slice(root + 1), images]),
      state.folder,
    );
    fields.label.fill(
      statistics.labels.map(({ label, images }) => [label, label, images]),
      state.label,
    );
    fields.tag.fill(
      tags.map(({ name, images }) => [name, name, images]),
      state.tag,
    );
    for (const [name, { input, label }] of Object.entries(dates)) {
      label.hidden = !statistics.dated && state[name] === null;
      input.value = state[name] ? state[name].padEnd(10, "-01") : "";
      label.classList.toggle("active", state[name] !== null);
    }
    clear.hidden = !isFiltered(state);
  }

  // A text field that completes what is typed. Only a known choice changes the filter.
  function combo(name, text) {
    const list = element("datalist", { id: `${name}-choices` });
    const input = element("input", { id: name, name, type: "search", list: list.id, placeholder: `all ${name}s`, autocomplete: "off", "aria-label": text });
    const label = element("label", {}, element("span", {}, text), input, list);
    let values = new Map();
    input.addEventListener("change", () => {
      const typed = input.value.trim();
      const value = typed === "" ? null : (values.get(typed) ?? closest(typed, values));
      if (value === undefined) input.setCustomValidity(`No ${name} is called so.`);
      else input.setCustomValidity("");
      if (value === undefined) input.reportValidity();
      else if (value !== currentState()[name]) go({ ...currentState(), [name]: value, from: 0 });
    });
    input.addEventListener("input", () => {
      input.setCustomValidity("");
      if (values.has(input.value)) input.dispatchEvent(new Event("change"));
    });
    input.addEventListener("keydown", (event) => event.key === "Enter" && input.blur()); // then keys are for the view
    return { input, label, fill: fillCombo };

    function fillCombo(choices, current) {
      values = new Map(choices.map(([value, shown]) => [shown, value]));
      list.replaceChildren(...choices.map(([, shown, images]) => element("option", { value: shown, label: `${shown} (${formatNumber(images)})` })));
      const shown = choices.find(([value]) => value === current)?.[1];
      input.value = current === null ? "" : (shown ?? current);
      label.hidden = !choices.length && current === null;
      label.classList.toggle("active", current !== null);
    }
  }

  function dateField(name, text) {
    const input = element("input", {
      id: name,
      name,
      type: "date",
      "aria-label": text,
      onchange: () => go({ ...currentState(), [name]: input.value || null, from: 0 }),
    });
    return { input, label: element("label", {}, element("span", {}, text), input) };
  }
}

// The only choice that contains what was typed, or undefined.
function closest(typed, values) {
  const found = [...values].filter(([shown]) => shown.toLowerCase().includes(typed.toLowerCase()));
  return found.length === 1 ? found[0][1] : undefined;
}
