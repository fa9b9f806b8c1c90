import { at } from "../kit/address.js";
import { el } from "../kit/dom.js";
import { _, language } from "../kit/i18n.js";

const DOWNLOAD = "fivefold-download";
const AT_ONCE = 500; // the most items of one request

/** What the server says of a user's items, and what it is asked to change about them. */
export class Library {
  constructor() {
    this.zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  }

  /** One page of items; `query` as in the gallery's own address. */
  items(query, signal) {
    return this.ask("/library/items", { query, signal });
  }

  facets(query) {
    return this.ask("/library/facets", { query });
  }

  /** Change items; returns those that changed, and the ids of those that are gone. */
  async change(ids, changes) {
    const all = { items: [], gone: [] };
    for (let first = 0; first < ids.length; first += AT_ONCE) {
      const { items = [], gone = [] } = await this.ask("/library/items", { body: { ids: ids.slice(first, first + AT_ONCE), ...changes } });
      all.items.push(...items);
      all.gone.push(...gone);
    }
    return all;
  }

  collections(change) {
    return this.ask("/library/collections", { body: change });
  }

  /** Have the browser download one file with all of these; `failed(sentence)` where none comes. */
  download(ids, failed) {
    if (ids.length > AT_ONCE) {
      failed(_("At most {count} items can be downloaded at once.", { count: AT_ONCE }));
      return;
    }
    document.getElementById(DOWNLOAD)?.remove();
    const frame = el("iframe", { id: DOWNLOAD, name: DOWNLOAD, hidden: true, title: "" });
    const form = el("form", { method: "post", action: "/library/archive.zip", target: DOWNLOAD, hidden: true }, el("input", { name: "ids", value: ids.join(",") }));
    document.body.append(frame, form);
    // A file loads nothing in the frame; what does is a refusal, which no frame may show.
    frame.addEventListener("load", () => {
      if (frame.contentDocument?.URL !== "about:blank") failed(_("The download did not begin. Please try again in a minute."));
    });
    form.submit();
    form.remove();
  }

  async ask(path, { query = {}, body, signal }) {
    const words = Object.entries({ ...query, zone: this.zone, language: language() }).filter(([, value]) => value);
    const sent = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), keepalive: true };
    let answer;
    try {
      answer = await fetch(`${at(path)}?${new URLSearchParams(words)}`, { signal, ...sent });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error(noAnswer());
    }
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(said.detail || noAnswer());
    return said;
  }
}

function noAnswer() {
  return _("Fivefold does not answer at the moment. Nothing is lost; please try again.");
}
