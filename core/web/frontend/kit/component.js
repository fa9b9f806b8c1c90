// @ts-check
/** What Streamlit calls to draw a component: one view for each place on the page. */
import { speak } from "./i18n.js";

/** The event of the window by which components learn that a job has ended. */
export const JOB_ENDED = "fivefold-job-ended";

/**
 * @typedef {{ language: string }} Language every component is given it
 * @typedef {(name: string, value: string) => void} SetTrigger has Python's callback of that name called
 */

/**
 * @template {Language} Data
 * @typedef {object} View
 * @property {(data: Data, setTrigger: SetTrigger) => void} update shows what a run of the script gave
 */

/**
 * Make the function that Streamlit calls after each run of the script (its `components.v2`).
 * The first call in a place makes the view, once style sheets and texts are there; every call updates it.
 * @template {Language} Data
 * @param {string[]} styles paths of style sheets in this folder; `kit/base.css` comes before them
 * @param {(root: ShadowRoot, data: Data, setTrigger: SetTrigger) => View<Data>} create
 */
export function component(styles, create) {
  /** @type {WeakMap<ShadowRoot, View<Data>>} */
  const views = new WeakMap();
  const loading = Promise.all(["kit/base.css", ...styles].map(styleSheet));

  /** @param {{ data: Data, parentElement: ShadowRoot, setTriggerValue: SetTrigger }} given */
  return async ({ data, parentElement, setTriggerValue }) => {
    const [sheets] = await Promise.all([loading, speak(data.language)]);
    let view = views.get(parentElement);
    if (!view) {
      parentElement.adoptedStyleSheets = sheets;
      view = create(parentElement, data, setTriggerValue);
      views.set(parentElement, view);
    }
    view.update(data, setTriggerValue);
  };
}

/** @type {Map<string, Promise<CSSStyleSheet>>} */
const styleSheets = new Map();

/**
 * Load a style sheet, once for all components.
 * @param {string} path
 */
function styleSheet(path) {
  const known =
    styleSheets.get(path) ??
    fetch(new URL(`../${path}`, import.meta.url))
      .then((answer) => answer.text())
      .then((text) => new CSSStyleSheet().replace(text));
  styleSheets.set(path, known);
  return known;
}
