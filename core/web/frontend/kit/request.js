// @ts-check
/** Asking our routes. */

export const LOGGED_OUT = 401;
/** How long an answer may take, in milliseconds. */
export const ANSWER_MS = 20_000;

/**
 * The options of `fetch` that send JSON.
 * @param {object} body
 * @returns {RequestInit}
 */
export function post(body) {
  return { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}
