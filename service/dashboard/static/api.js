// The JSON API. Its errors are problem details; an answer that never came is `Unreachable`.

export class ApiError extends Error {
  constructor(status, detail, errors = []) {
    super(detail);
    this.status = status;
    // Of a 422: {field, message} each.
    this.errors = errors;
  }
}

export class Unreachable extends Error {}

// A path of the service, such as "/v1/jobs", as an address: this file lies in its folder /static,
// under whatever path a proxy serves it.
export const at = (path) => new URL(`..${path}`, import.meta.url).href;

export const getJson = (path) => ask(path, { headers: { Accept: "application/json" } });

export function postJson(path, body) {
  const headers = { Accept: "application/json", "Content-Type": "application/json", ...proof() };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body) });
}

export const remove = (path) => ask(path, { method: "DELETE", headers: proof() });

// What only a page of the service's own knows of its session.
const proof = () => ({ "X-CSRF-Token": document.querySelector("meta[name=csrf-word]").content });

async function ask(path, request) {
  let answer;
  try {
    answer = await fetch(at(path), { cache: "no-store", ...request });
  } catch {
    throw new Unreachable("the service does not answer");
  }
  if (answer.status === 204) return null;
  const body = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body;
  throw new ApiError(answer.status, body?.detail ?? `the service answered ${answer.status}`, body?.errors);
}
