// @ts-check
/** The addresses of our pages and routes, as this browser reaches them. */
import { language } from "./i18n.js";

/** What all addresses begin with where Fivefold is served under a path, such as `/studio`; else empty. */
const BASE = new URL("../../..", import.meta.url).pathname.replace(/\/$/, ""); // this is /assets/<hash>/kit/address.js

/**
 * The address of a path of ours; anything else stays as it is.
 * @param {string} path
 */
export function at(path) {
  return path.startsWith("/") && !path.startsWith("//") ? BASE + path : path;
}

/** The path of the page that is open, as it is without what stands before all addresses. */
export function openPath() {
  return location.pathname.slice(BASE.length) || "/";
}

/**
 * The address of a route of ours that answers in the language spoken.
 * @param {string} path
 */
export function inLanguage(path) {
  return `${at(path)}${path.includes("?") ? "&" : "?"}language=${language()}`;
}

/**
 * Go to another page of ours, as a plain link would, with nothing loaded anew and one step in the history.
 * (`st.switch_page` takes two where there is a query, and going back would lead to a mixture of both.)
 * @param {string} href
 */
export function visit(href) {
  history.pushState({}, "", at(href));
  window.dispatchEvent(new PopStateEvent("popstate", { state: {} })); // Streamlit shows what the address names
}
