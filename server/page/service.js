// Calls of the server's interface: the token, and errors as one kind of object.

const TOKEN_KEY = 'gctmask-token';

// The token lives as long as the tab; without storage, as long as the page.
let token = null;
try {
  token = sessionStorage.getItem(TOKEN_KEY);
} catch {
  // Storage is forbidden: nothing to remember.
}

export function hasToken() {
  return token !== null;
}

export function setToken(text) {
  token = text;
  try {
    sessionStorage.setItem(TOKEN_KEY, text);
  } catch {
    // It lasts as long as the page.
  }
}

// What went wrong, in the server's words where it had any.
export class Refusal extends Error {
  constructor(message, code, status = 0, requestId = '', retryAfter = 0) {
    super(message);
    Object.assign(this, { code, status, requestId, retryAfter });
  }
}

async function refusalOf(response) {
  const retryAfter = Number(response.headers.get('Retry-After')) || 0;
  try {
    const told = await response.json();
    return new Refusal(told.error, told.code, response.status, told.request_id, retryAfter);
  } catch {
    // Some errors come from below the interface, or from a proxy in front of it.
    const line = `${response.status} ${response.statusText}`;
    return new Refusal(`The answer was ${line}, without a reason.`, 'http',
      response.status, '', retryAfter);
  }
}

// The JSON that the server answers; throws a Refusal. An aborted call throws AbortError.
export async function call(path, { method = 'GET', type, body, signal } = {}) {
  const headers = {};
  if (type) headers['Content-Type'] = type;
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { method, headers, body, signal, cache: 'no-store' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refusal('The server cannot be reached, or it closed the connection.', 'unreachable');
  }
  if (!response.ok) throw await refusalOf(response);
  return response.json();
}
