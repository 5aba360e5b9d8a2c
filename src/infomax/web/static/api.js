// Requests to the server. Every failure is thrown as an Error with one sentence.

const POLLED = 700; // milliseconds between two questions for what is still being computed

export async function request(path, parameters = {}, options = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== false) query.set(name, value);
  }
  const response = await answer(query.size ? `${path}?${query}` : path, options);
  const content = await response.json().catch(() => ({ error: `the server answered with status ${response.status}` }));
  if (!response.ok) throw Object.assign(new Error(toSentence(content.error)), { status: response.status });
  return content;
}

// Send JSON, to change something or to ask for a list of images.
export function send(path, body, { method = "POST" } = {}) {
  return request(path, {}, { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } });
}

// Ask again and again while the server is still computing. `waiting` is called once when the first answer is not there.
export async function requestComputed(path, parameters, { signal, waiting = () => {} } = {}) {
  for (let asked = 0; ; asked++) {
    const found = await request(path, parameters, { signal });
    if (found.computing === undefined) return found;
    if (!asked) waiting(found.computing);
    await pause(POLLED, signal);
  }
}

// Wait; no longer once the view is left.
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

// Download a list of images as a file.
export async function download(ids, format) {
  const response = await answer("api/export", {
    method: "POST",
    body: JSON.stringify({ ids, format }),
    headers: { "content-type": "application/json" },
  });
  if (!response.ok) throw new Error(toSentence((await response.json()).error));
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = `images.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

async function answer(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is infomax still running?");
  }
}

export const filtersOf = ({ folder, label, tag, after, before, hidden }) => ({
  folder,
  label,
  tag,
  after,
  before,
  hidden,
});

const searchOptions = (state) => ({
  metric: state.metric,
  k: state.k,
  approximate: state.approximate,
  ...filtersOf(state),
});

export function findMatches(state, signal) {
  const { near, vector, like, unlike, crop } = state;
  return request("api/matches", { id: near, vector, like, unlike, crop, ...searchOptions(state) }, { signal });
}

export function findMatchesOfUpload(file, state) {
  const headers = { "content-type": file.type || "application/octet-stream" };
  return request("api/matches", searchOptions(state), { method: "POST", body: file, headers });
}

const toSentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
