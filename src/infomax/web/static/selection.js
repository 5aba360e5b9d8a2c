// The selection: ids of images that the user has marked. It outlives changes of the view.

const chosen = new Set();
const listeners = new Set();

export const selectedIds = () => [...chosen];
export const isSelected = (id) => chosen.has(id);

export function select(ids) {
  change(() => ids.forEach((id) => chosen.add(id)));
}

export function deselect(ids) {
  change(() => ids.forEach((id) => chosen.delete(id)));
}

export function replaceSelection(ids) {
  change(() => {
    chosen.clear();
    ids.forEach((id) => chosen.add(id));
  });
}

export const clearSelection = () => replaceSelection([]);

// Call a function after every change. Returns a function that ends this.
export function onSelectionChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function change(make) {
  make();
  for (const listener of listeners) listener();
}
