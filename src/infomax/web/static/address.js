// The address of the page holds its whole state, so every view is a link.

const DEFAULTS = {
  view: "wall",
  from: 0,
  near: null,
  vector: null,
  metric: "cosine",
  k: 20,
  approximate: false,
  folder: null,
  label: null,
};

// Names of the parameters in the address of each view. The filters are in all of them.
const SAVED = { wall: ["from"], map: ["view"], matches: ["near", "vector", "metric", "k", "approximate"] };

export const K_CHOICES = [10, 20, 50, 100, 200];

// Read the state from the query string of an address.
export function parseAddress(queryString) {
  const parameters = new URLSearchParams(queryString);
  const integer = (name, minimum) => {
    const value = Number.parseInt(parameters.get(name), 10);
    return value >= minimum ? value : DEFAULTS[name];
  };
  const state = {
    ...DEFAULTS,
    near: parameters.get("near"),
    vector: parameters.get("vector"),
    metric: parameters.get("metric") === "euclidean" ? "euclidean" : "cosine",
    k: integer("k", 1),
    from: integer("from", 0),
    approximate: parameters.get("approximate") === "yes",
    folder: parameters.get("folder"),
    label: parameters.get("label"),
  };
  if (state.near || state.vector) state.view = "matches";
  else if (parameters.get("view") === "map") state.view = "map";
  return state;
}

// Write a state as an address. Default values are left out. Like every address on the page it is relative: behind a
// proxy, the page may be below a path.
export function linkTo(state) {
  const parameters = new URLSearchParams();
  for (const name of [...SAVED[state.view], "folder", "label"]) {
    if (state[name] !== DEFAULTS[name] && state[name] !== undefined) {
      parameters.set(name, state[name] === true ? "yes" : state[name]);
    }
  }
  return parameters.size ? `./?${parameters}` : "./";
}

// States of other views. They keep the filters and search options of the present one.
const WALL = { view: "wall", from: 0, near: null, vector: null };
export const toWall = (state, changes = {}) => ({ ...state, ...WALL, ...changes });
export const toMap = (state, changes = {}) => ({ ...toWall(state, changes), view: "map" });
export const toNeighbors = (state, id) => ({ ...state, view: "matches", near: id, vector: null });
export const toVector = (state, vector) => ({ ...state, view: "matches", near: null, vector });
