// @ts-check
/** The language of the page: GNU gettext's functions, over the catalogue that the server keeps as JSON. */

/** @typedef {Record<string, string | string[]>} Catalogue text → its translation, or the forms of it */

/** @type {Catalogue} */
let catalogue = {};
let spoken = "";

/**
 * Speak a language; every component waits for it before it draws.
 * What is drawn stays as it is, so another language than before means another page.
 * @param {string} code
 */
export async function speak(code) {
  if (spoken && spoken !== code) location.reload();
  if (spoken !== code) catalogue = await loaded(code);
  spoken = code;
  document.documentElement.lang = code;
}

/** @type {Map<string, Promise<Catalogue>>} */
const catalogues = new Map([["en", Promise.resolve({})]]);

/** @param {string} code */
function loaded(code) {
  const known =
    catalogues.get(code) ?? fetch(new URL(`../texts/${code}.json`, import.meta.url)).then((answer) => answer.json());
  catalogues.set(code, known);
  return known;
}

/** The code of the language that is spoken. */
export function language() {
  return spoken;
}

/** How dates and numbers are written. */
export function locale() {
  return spoken === "en" ? "en-GB" : spoken;
}

/**
 * Mark a text that is translated where it is used.
 * @param {string} text
 */
export function N_(text) {
  return text;
}

/**
 * A text in the language spoken, with `{name}` replaced by the value of that name.
 * @param {string} text
 * @param {Record<string, unknown>} values
 */
export function _(text, values = {}) {
  const translation = catalogue[text];
  return fill((typeof translation === "string" && translation) || text, values);
}

/**
 * The form of a text that goes with a number, which is the value `count`.
 * @param {string} one
 * @param {string} many
 * @param {number} count
 * @param {Record<string, unknown>} values
 */
export function ngettext(one, many, count, values = {}) {
  const forms = catalogue[one];
  const plural = count === 1 ? 0 : 1; // as English and German have it
  return fill((Array.isArray(forms) && forms[plural]) || (plural ? many : one), { count, ...values });
}

/**
 * @param {string} text
 * @param {Record<string, unknown>} values
 */
function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
