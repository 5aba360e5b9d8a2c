// The address of the page holds its whole state, so every view is a link.

const VIEWS = ["overview", "wall", "map", "duplicates", "outliers", "selection", "trash", "matches"];
export const ORDERS = ["path", "date", "likeness", "random"];
export const RULES = ["diverse", "typical", "odd"];
export const CHECKS = ["blank", "dark", "blurred", "tiny"];

const DEFAULTS = {
  view: "overview",
  from: 0,
  order: "path",
  near: null,
  vector: null,
  like: null,
  unlike: null,
  crop: null,
  metric: "cosine",
  k: 20,
  approximate: false,
  by: "diverse",
  n: 100,
  check: null,
  folder: null,
  label: null,
  tag: null,
  after: null,
  before: null,
  hidden: false,
};

// Names of the parameters in the address of each view. The filters are in all of them.
const FILTERS = ["folder", "label", "tag", "after", "before", "hidden"];
const SAVED = {
  overview: [],
  wall: ["view", "from", "order"],
  map: ["view"],
  duplicates: ["view", "from"],
  outliers: ["view", "check"],
  selection: ["view", "by", "n"],
  trash: ["view"],
  matches: ["near", "vector", "like", "unlike", "crop", "metric", "k", "approximate"],
};

export const K_CHOICES = [10, 20, 50, 100, 200];

// Read the state from the query string of an address.
export function parseAddress(queryString) {
  const parameters = new URLSearchParams(queryString);
  const integer = (name, minimum) => {
    const value = Number.parseInt(parameters.get(name), 10);
    return value >= minimum ? value : DEFAULTS[name];
  };
  const among = (name, choices) => (choices.includes(parameters.get(name)) ? parameters.get(name) : DEFAULTS[name]);
  const state = {
    ...DEFAULTS,
    ...Object.fromEntries(
      ["near", "vector", "like", "unlike", "crop", "folder", "label", "tag", "after", "before"].map((name) => [
        name,
        parameters.get(name),
      ]),
    ),
    metric: among("metric", ["cosine", "euclidean"]),
    order: among("order", ORDERS),
    by: among("by", RULES),
    check: among("check", CHECKS),
    k: integer("k", 1),
    n: integer("n", 1),
    from: integer("from", 0),
    approximate: parameters.get("approximate") === "yes",
    hidden: parameters.get("hidden") === "yes",
  };
  const named = VIEWS.includes(parameters.get("view")) ? parameters.get("view") : "overview";
  return { ...state, view: state.near || state.vector ? "matches" : named === "matches" ? "overview" : named };
}

// Write a state as an address. Default values are left out. Like every address on the page it is relative: behind a
// proxy, the page may be below a path.
export function linkTo(state) {
  const parameters = new URLSearchParams();
  for (const name of [...SAVED[state.view], ...FILTERS]) {
    if (state[name] !== DEFAULTS[name] && state[name] !== undefined) {
      parameters.set(name, state[name] === true ? "yes" : state[name]);
    }
  }
  return parameters.size ? `./?${parameters}` : "./";
}

export const countFilters = (state) => FILTERS.filter((name) => state[name] !== DEFAULTS[name]).length;
export const isFiltered = (state) => countFilters(state) > 0;
export const withoutFilters = (state) => ({
  ...state,
  ...Object.fromEntries(FILTERS.map((name) => [name, DEFAULTS[name]])),
});

// States of other views. They keep the filters and search options of the present one.
const NO_QUERY = { from: 0, near: null, vector: null, like: null, unlike: null, crop: null };
export const toView = (state, view, changes = {}) => ({ ...state, ...NO_QUERY, view, ...changes });
export const toWall = (state, changes = {}) => toView(state, "wall", changes);
export const toMap = (state, changes = {}) => toView(state, "map", changes);
export const toNeighbors = (state, id, changes = {}) => toView(state, "matches", { near: id, ...changes });
export const toVector = (state, vector) => toView(state, "matches", { vector });
