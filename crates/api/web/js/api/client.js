// One request to the API, with the key of this tab, its refusals as errors that a person can read.

const KEY = 'overnight.key';
const asked = new Set();

/** Why the API refused, or why nothing came back (status 0). */
export class ApiError extends Error {
  constructor(status, message, code = null, param = null) {
    super(message);
    Object.assign(this, { status, code, param });
  }
}

/** The API key of this tab: kept until it is closed, never longer. */
export function key() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** Keeps a key, or forgets it. */
export function keep(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

/** Calls when the server asks for a key. */
export function onKeyNeeded(call) {
  asked.add(call);
}

/** The headers of every request. */
export function headers() {
  const own = key();
  return own ? { authorization: `Bearer ${own}` } : {};
}

/** The path with its parameters; those that are unset are left out. */
export function address(path, query = {}) {
  const filters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== '') filters.set(name, value);
  }
  const text = filters.toString();
  return text ? `${path}?${text}` : path;
}

/** The whole answer to a request. */
export async function send(method, path, { query, json, signal, more } = {}) {
  let answer;
  try {
    answer = await fetch(address(path, query), {
      method,
      signal,
      cache: 'no-store',
      headers: { ...headers(), ...(json ? { 'content-type': 'application/json' } : {}), ...more },
      body: json ? JSON.stringify(json) : undefined,
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, 'The server does not answer.');
  }
  if (answer.ok) return answer;
  throw refused(answer.status, await answer.text().catch(() => ''));
}

/** The JSON that answers a request. */
export async function ask(method, path, options) {
  return (await send(method, path, options)).json();
}

/** The error that a refusal stands for. */
export function refused(status, text) {
  let error = {};
  try {
    error = JSON.parse(text).error ?? {};
  } catch { /* A proxy's page, say. */ }
  if (status === 401) asked.forEach((call) => call(error.message));
  return new ApiError(status, error.message ?? `The server answered ${status}.`, error.code, error.param);
}
