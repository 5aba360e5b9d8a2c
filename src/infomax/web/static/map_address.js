// What the address of the map holds beside the filters: the place, the coloring, and the groups that are shown. It is
// replaced while one moves about, so that the way back from an image, a reload and a copied link lead to the same place.

const WRITE_DELAY = 250; // milliseconds; browsers refuse more than some hundred changes in half a minute

export class MapAddress {
  #timer = 0;
  #pending = null;

  // The parameters at present; null for those that are not there.
  read() {
    const parameters = new URLSearchParams(location.search);
    return { at: parameters.get("at"), color: parameters.get("color"), shown: parseNumbers(parameters.get("shown")) };
  }

  // Write the parameters soon. Null removes one.
  write(changes) {
    this.#pending = { ...this.#pending, ...changes };
    this.#timer ||= setTimeout(() => this.flush(), WRITE_DELAY);
  }

  // Write now what is still to be written.
  flush() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (!this.#pending) return;
    const parameters = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(this.#pending)) {
      if (value === null || value.length === 0) parameters.delete(name);
      else parameters.set(name, Array.isArray(value) ? value.join(".") : value);
    }
    this.#pending = null;
    history.replaceState(history.state, "", `./?${parameters}`);
  }

  // Forget what is still to be written.
  stop() {
    clearTimeout(this.#timer);
    this.#pending = null;
  }
}

const parseNumbers = (text) => (text ?? "").split(".").filter(Boolean).map(Number).filter(Number.isInteger);
