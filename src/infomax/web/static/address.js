// The address holds all there is to a view, so that every view is a link.

const EMPTY = {
  view: "wall", from: 0, near: null, vector: null, metric: "cosine", k: 20, approximate: false, folder: null, label: null,
};

export const KS = [10, 20, 50, 100, 200];

export function stateOf(search) {
  const given = new URLSearchParams(search);
  const whole = (name, least) => {
    const value = Number.parseInt(given.get(name), 10);
    return value >= least ? value : EMPTY[name];
  };
  const state = {
    ...EMPTY,
    near: given.get("near"),
    vector: given.get("vector"),
    metric: given.get("metric") === "euclidean" ? "euclidean" : "cosine",
    k: whole("k", 1),
    from: whole("from", 0),
    approximate: given.get("approximate") === "yes",
    folder: given.get("folder"),
    label: given.get("label"),
  };
  if (state.near || state.vector) state.view = "matches";
  else if (given.get("view") === "map") state.view = "map";
  return state;
}

export function linkOf(state) {
  const shown = { wall: ["from"], map: ["view"], matches: ["near", "vector", "metric", "k", "approximate"] }[state.view];
  const given = new URLSearchParams();
  for (const name of [...shown, "folder", "label"]) {
    if (state[name] !== EMPTY[name] && state[name] !== undefined) {
      given.set(name, state[name] === true ? "yes" : state[name]);
    }
  }
  return given.size ? `/?${given}` : "/";
}

// The same filters and the same way of searching, seen from elsewhere.
export const wallOf = (state, more = {}) => ({ ...state, view: "wall", from: 0, near: null, vector: null, ...more });
export const mapOf = (state, more = {}) => ({ ...wallOf(state, more), view: "map" });
export const nearOf = (state, id) => ({ ...state, view: "matches", near: id, vector: null });
export const vectorOf = (state, vector) => ({ ...state, view: "matches", near: null, vector });
