// Requests to the server. Every failure is thrown as an Error with one sentence.

export async function request(path, parameters = {}, options = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== false) query.set(name, value);
  }
  let response;
  try {
    response = await fetch(query.size ? `${path}?${query}` : path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is infomax serve still running?");
  }
  const content = await response.json().catch(() => ({ error: `the server answered with status ${response.status}` }));
  if (!response.ok) throw new Error(toSentence(content.error));
  return content;
}

const searchOptions = ({ metric, k, approximate, folder, label }) => ({ metric, k, approximate, folder, label });

export function findMatches(state, signal) {
  return request("api/matches", { id: state.near, vector: state.vector, ...searchOptions(state) }, { signal });
}

export function findMatchesOfUpload(file, state) {
  const headers = { "content-type": file.type || "application/octet-stream" };
  return request("api/matches", searchOptions(state), { method: "POST", body: file, headers });
}

const toSentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
