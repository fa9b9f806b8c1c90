// @ts-check
/** The browser's storage; where it is not allowed, nothing is kept. */

/**
 * @param {"localStorage" | "sessionStorage"} where for the browser, or for this tab
 * @param {string} name
 * @returns {string} empty: nothing is kept
 */
export function recall(where, name) {
  try {
    return window[where].getItem(name) ?? "";
  } catch {
    return "";
  }
}

/**
 * @param {"localStorage" | "sessionStorage"} where
 * @param {string} name
 * @param {string} value empty: forget it
 */
export function remember(where, name, value) {
  try {
    if (value) window[where].setItem(name, value);
    else window[where].removeItem(name);
  } catch {
    // the browser stores nothing for this page
  }
}
