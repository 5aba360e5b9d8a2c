// Asking the server. What it refuses is thrown as an Error with its one line.

export async function ask(path, given = {}, options = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(given)) {
    if (value !== null && value !== undefined && value !== false) query.set(name, value);
  }
  let answer;
  try {
    answer = await fetch(query.size ? `${path}?${query}` : path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer: is infomax serve still running?");
  }
  const content = await answer.json().catch(() => ({ error: `the server answered with ${answer.status}` }));
  if (!answer.ok) throw new Error(sentence(content.error));
  return content;
}

export const searching = ({ metric, k, approximate, folder, label }) => ({ metric, k, approximate, folder, label });

export function matches(state, signal) {
  return ask("/api/matches", { id: state.near, vector: state.vector, ...searching(state) }, { signal });
}

export function matchesOf(file, state) {
  const kind = file.type || "application/octet-stream";
  return ask("/api/matches", searching(state), { method: "POST", body: file, headers: { "content-type": kind } });
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
