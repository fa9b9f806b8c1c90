// @ts-check
/** @import { Facets, Item, ItemChanges, LibraryPage, Query } from "../types" */
/** The client of the library's routes: searching a user's items and changing them. */
import { at } from "../kit/address.js";
import { el } from "../kit/dom.js";
import { _, language } from "../kit/i18n.js";
import { post } from "../kit/request.js";

const DOWNLOAD = "fivefold-download";
const MOST_AT_ONCE = 500; // items of one request

export class Library {
  constructor() {
    this.zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  }

  /**
   * One page of items.
   * @param {Query} query
   * @param {AbortSignal} [signal]
   * @returns {Promise<LibraryPage>}
   */
  items(query, signal) {
    return this.ask("/library/items", query, { signal });
  }

  /**
   * @param {Query} query
   * @returns {Promise<Facets>}
   */
  facets(query) {
    return this.ask("/library/facets", query);
  }

  /**
   * Change items; returns those that changed, and the ids of those that are gone.
   * @param {string[]} ids
   * @param {ItemChanges} changes
   */
  async change(ids, changes) {
    /** @type {{ items: Item[], gone: string[] }} */
    const all = { items: [], gone: [] };
    for (let first = 0; first < ids.length; first += MOST_AT_ONCE) {
      const body = { ids: ids.slice(first, first + MOST_AT_ONCE), ...changes };
      const { items = [], gone = [] } = await this.send("/library/items", body);
      all.items.push(...items);
      all.gone.push(...gone);
    }
    return all;
  }

  /** @param {{ name: string, rename?: string, delete?: boolean }} change */
  collections(change) {
    return this.send("/library/collections", change);
  }

  /**
   * Have the browser download one file with all of these.
   * @param {string[]} ids
   * @param {(sentence: string) => void} failed called where none comes
   */
  download(ids, failed) {
    if (ids.length > MOST_AT_ONCE) {
      failed(_("At most {count} items can be downloaded at once.", { count: MOST_AT_ONCE }));
      return;
    }
    document.getElementById(DOWNLOAD)?.remove();
    const frame = el("iframe", { id: DOWNLOAD, name: DOWNLOAD, hidden: true, title: "" });
    const form = el(
      "form",
      { method: "post", action: "/library/archive.zip", target: DOWNLOAD, hidden: true },
      el("input", { name: "ids", value: ids.join(",") }),
    );
    document.body.append(frame, form);
    // A file loads nothing in the frame; what does is a refusal, which no frame may show.
    frame.addEventListener("load", () => {
      if (frame.contentDocument?.URL !== "about:blank")
        failed(_("The download did not begin. Please try again in a minute."));
    });
    form.submit();
    form.remove();
  }

  /**
   * @param {string} path
   * @param {object} body
   */
  send(path, body) {
    return this.ask(path, {}, { ...post(body), keepalive: true });
  }

  /**
   * @param {string} path
   * @param {Query} query
   * @param {RequestInit} options
   * @returns {Promise<any>}
   * @throws {Error} with the sentence to show
   */
  async ask(path, query, options = {}) {
    const words = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...query, zone: this.zone, language: language() }))
      if (value) words.set(name, value);
    let answer;
    try {
      answer = await fetch(`${at(path)}?${words}`, options);
    } catch (error) {
      if (isAbort(error)) throw error;
      throw new Error(noAnswer());
    }
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(found.detail || noAnswer());
    return found;
  }
}

/**
 * Whether a request failed because it was given up.
 * @param {unknown} error
 */
export function isAbort(error) {
  return error instanceof Error && error.name === "AbortError";
}

/**
 * The sentence of an error.
 * @param {unknown} error
 */
export function sentence(error) {
  return error instanceof Error ? error.message : String(error);
}

function noAnswer() {
  return _("Fivefold does not answer at the moment. Nothing is lost; please try again.");
}
