// @ts-check
/** What this browser was asked to remember; nothing where it may not. */

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
