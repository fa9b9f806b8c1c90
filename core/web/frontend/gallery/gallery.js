// @ts-check
/** @import { Language } from "../kit/component.js" */
/** @import { Item, LibraryPage, Query } from "../types" */
/** The gallery: everything that a user has made, to be searched, looked at, picked and used again. */
import { Compare } from "../item/compare.js";
import { isAbort, sentence } from "../item/library_client.js";
import { Tiles } from "../item/tile.js";
import { visit } from "../kit/address.js";
import { component, JOB_ENDED } from "../kit/component.js";
import { el, iconButton, isTyping, setText, showText } from "../kit/dom.js";
import { _, language, ngettext } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";
import { Filters } from "./filters.js";
import { Grid } from "./grid.js";
import { Place } from "./place.js";
import { SelectionBar } from "./selection_bar.js";

const PAGE = 60; // items that are fetched at once
const MOST_BACK = 1_200; // items that are fetched to come back to one
const QUERY_NAMES = [
  ...["kind", "q", "provider", "model", "ratio", "from", "to", "favourite", "rating", "collection"],
  ...["job", "bin", "sort", "user"],
];

/** @typedef {Language & LibraryPage & { owned: boolean, binDays: number, note?: string }} Data from `core.web.library.page` */

export default component(
  [
    ...["kit/dialogs.css", "item/lightbox.css", "item/tile.css", "item/compare.css"],
    ...["gallery/filters.css", "gallery/gallery.css"],
  ],
  (root, /** @type {Data} */ data) => new Gallery(root, data),
);

export class Gallery {
  /**
   * @param {ShadowRoot} parent
   * @param {Data} data
   */
  constructor(parent, data) {
    this.data = data;
    this.query = queryOf(location.search);
    this.count = 0;
    /** @type {string | null} */
    this.next = null; // where the next page begins
    this.loading = false;
    this.running = new AbortController();
    /** @type {(() => void) | null} */
    this.tryAgain = null; // what failed
    this.tiles = new Tiles({
      jobs: true,
      go: (address) => this.leave(address),
      list: () => this.grid.items,
      total: () => this.count,
      more: () => this.more(),
      changed: (items, leaving) => this.changed(items, leaving),
      restored: (items, order) => this.restored(items, order),
      focus: (item) => this.grid.focus(item),
      inBin: () => Boolean(this.query.bin),
      selectable: () => this.data.owned,
    });
    this.library = this.tiles.actions.library;
    this.root = el("div", { className: "ff gallery", "data-testid": "gallery" });
    this.grid = new Grid(this.tiles, (ids) => this.bar.show(ids.size));
    this.compare = new Compare();
    this.bar = new SelectionBar(this);
    this.filters = new Filters((changes) => this.look(changes));
    this.note = el("p", { className: "note", "data-testid": "note", hidden: true });
    this.found = el("p", { className: "said", role: "status", "data-testid": "found" });
    const refresh = { hidden: true, on: { click: () => this.refresh() } };
    this.fresh = el("button", { type: "button", className: "button slim fresh", ...refresh });
    const picking = () => this.setPicking(!this.grid.picking);
    this.pick = iconButton("select", _("Select"), picking, { className: "tool", "aria-pressed": false });
    this.binCount = el("span", { className: "count" });
    const toBin = () => this.look({ bin: this.query.bin ? "" : "1" });
    this.toBin = iconButton("bin", _("Bin"), toBin, { className: "tool", "aria-pressed": false });
    this.toBin.append(this.binCount);
    this.place = new Place(this);
    this.trouble = el("p", { className: "trouble", role: "alert" });
    this.again = el("button", { type: "button", className: "button", on: { click: () => this.retry() } });
    this.failure = el("div", { className: "failure", hidden: true }, this.trouble, this.again);
    const more = { text: _("Show more"), hidden: true, on: { click: () => this.more() } };
    this.showMore = el("button", { type: "button", className: "button more", ...more });
    const scroller = scrollerOf(parent);
    this.scroller = scroller ?? window;
    this.build(parent, scroller);
    this.listen();
    this.filters.show(this.query);
    this.take(data);
    this.facets();
    this.comeBack(history.state?.gallery);
  }

  /**
   * @param {ShadowRoot} parent
   * @param {Element | null} scroller
   */
  build(parent, scroller) {
    const { filters } = this;
    const head = el(
      "div",
      { className: "head", role: "search", "aria-label": _("Gallery") },
      el("div", { className: "find" }, icon("search"), filters.search),
      filters.kinds,
      el("div", { className: "tools" }, filters.open, filters.sort, this.pick, this.toBin),
    );
    const end = el("div", { className: "end" });
    this.root.append(this.note, head, filters.panel, filters.chips, this.place.node, this.found, this.fresh);
    this.root.append(this.grid.node, this.place.empty, this.failure, this.showMore, end);
    this.root.append(this.bar.node, this.compare.node, ...this.tiles.nodes);
    parent.append(this.root);
    this.grid.watch(scroller);
    const near = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting && !this.tryAgain) this.more();
      },
      { root: scroller, rootMargin: "1200px 0px" },
    );
    near.observe(end);
  }

  listen() {
    /** @type {(target: EventTarget, type: string, act: (event: Event) => void) => void} */
    const whileShown = (target, type, act) => {
      const listener = (/** @type {Event} */ event) => {
        if (this.root.isConnected) act(event);
        else target.removeEventListener(type, listener);
      };
      target.addEventListener(type, listener);
    };
    whileShown(window, "popstate", () => {
      if (location.pathname.endsWith("/gallery")) this.go(queryOf(location.search));
    });
    whileShown(window, JOB_ENDED, () => this.lookForNew());
    whileShown(document, "visibilitychange", () => this.lookForNew());
    whileShown(document, "keydown", (event) => this.key(/** @type {KeyboardEvent} */ (event)));
    // Streamlit's own shortcuts are not for somebody who types in here.
    for (const type of ["keydown", "keyup", "keypress"])
      this.root.addEventListener(type, (event) => {
        if (isTyping(event.target)) event.stopPropagation();
      });
  }

  /** @param {KeyboardEvent} event of anywhere on the page: a slash leads to the search */
  key(event) {
    const target = event.composedPath()[0];
    const edited = target instanceof HTMLElement && (target.isContentEditable || isTyping(target));
    if (event.key !== "/" || event.ctrlKey || event.metaKey || edited) return;
    if (this.root.querySelector("dialog:modal")) return;
    event.preventDefault();
    this.filters.search.focus();
    this.filters.search.select();
  }

  /** @param {Data} data */
  update(data) {
    this.data = data;
    showText(this.note, data.note);
  }

  /**
   * Search for something else; the query is kept in the address, for the history and for links.
   * @param {Query} changes
   */
  look(changes) {
    /** @type {Record<string, string>} */
    const query = {};
    for (const [name, value] of Object.entries({ ...this.query, ...changes })) if (value) query[name] = value;
    const typing = Object.keys(changes).join() === "q" && this.query.q && query.q; // letter by letter is one step back
    const address = `${location.pathname}?${new URLSearchParams(query)}`.replace(/\?$/, "");
    history[typing ? "replaceState" : "pushState"](history.state, "", address);
    this.go(query);
  }

  /** @param {Query} query */
  go(query) {
    const other = Boolean(query.bin) !== Boolean(this.query.bin);
    this.query = query;
    this.filters.show(query);
    this.scroller.scrollTo(0, 0);
    this.load();
    if (other) this.facets();
  }

  /**
   * Go to another page; coming back from there leads to the same item.
   * @param {string} address
   */
  leave(address) {
    const { lightbox } = this.tiles;
    const item = lightbox.node.open ? lightbox.item : this.grid.current?.item;
    history.replaceState({ ...history.state, gallery: item?.id }, "");
    visit(address);
  }

  /** @param {string | undefined} id of the item */
  async comeBack(id) {
    const item = () => this.grid.items.find((each) => each.id === id);
    while (id && !item() && this.grid.items.length < MOST_BACK && (await this.more()));
    const found = item();
    if (found) this.grid.focus(found)?.scrollIntoView({ block: "center" });
  }

  /** Say that something was finished meanwhile; what is on the screen stays where it is. */
  async lookForNew() {
    const { query } = this;
    if (document.hidden || this.loading || query.bin) return;
    const { total = 0 } = await this.library.items({ ...query, limit: "1" }).catch(() => ({ total: 0 }));
    const count = total - this.count;
    if (query !== this.query || this.loading) return;
    this.fresh.hidden = count < 1;
    setText(this.fresh, ngettext("Show {count} new item", "Show {count} new items", count));
  }

  refresh() {
    this.load();
    this.facets();
  }

  /** Fetch from the start. */
  async load() {
    this.running.abort();
    const running = new AbortController();
    this.running = running;
    this.tryAgain = null;
    this.failure.hidden = true;
    this.grid.node.setAttribute("aria-busy", "true");
    this.loading = true;
    try {
      const found = await this.library.items({ ...this.query, limit: String(PAGE) }, running.signal);
      if (running === this.running) this.take(found);
    } catch (error) {
      if (running === this.running && !isAbort(error)) {
        this.fail(sentence(error), () => this.load());
        this.found.after(this.failure); // what is below was looked for before
      }
    } finally {
      if (running === this.running) {
        this.loading = false;
        this.grid.node.setAttribute("aria-busy", "false");
      }
    }
  }

  /**
   * Show a first page.
   * @param {LibraryPage} page
   */
  take({ items, next, total, trouble }) {
    this.next = next;
    this.count = total ?? items.length;
    this.fresh.hidden = true;
    this.grid.set(items);
    this.showPlace();
    this.showCount();
    if (trouble) this.fail(trouble, () => this.filters.clear(), _("Clear all filters"));
  }

  /** Fetch the next page; returns whether there was one. */
  async more() {
    if (!this.next || this.loading || !this.grid.node.isConnected) return false;
    this.loading = true;
    const running = new AbortController();
    this.running = running;
    this.showMore.disabled = true;
    try {
      const query = { ...this.query, after: this.next, limit: String(PAGE) };
      const { items, next } = await this.library.items(query, running.signal);
      this.next = next;
      this.tryAgain = null;
      this.failure.hidden = true;
      this.grid.append(items);
      this.showCount();
      return items.length > 0;
    } catch (error) {
      if (!isAbort(error)) {
        this.fail(sentence(error), () => this.more());
        this.showMore.before(this.failure);
      }
      return false;
    } finally {
      if (running === this.running) this.loading = false;
      this.showMore.disabled = false;
    }
  }

  /**
   * @param {string} why
   * @param {() => void} again what the button does
   * @param {string} text its label
   */
  fail(why, again, text = _("Try again")) {
    this.tryAgain = again;
    setText(this.trouble, why);
    setText(this.again, text);
    this.failure.hidden = false;
    this.place.empty.hidden = true;
  }

  retry() {
    const again = this.tryAgain;
    this.tryAgain = null;
    again?.();
  }

  /**
   * @param {Item[]} items
   * @param {string[]} leaving
   */
  changed(items, leaving) {
    const before = this.grid.items.length;
    this.grid.changed(items, leaving);
    this.count -= before - this.grid.items.length;
    if (!leaving.length) return;
    this.showCount();
    this.facets();
    if (this.grid.items.length < PAGE / 2) this.more();
  }

  /**
   * Items are back from the bin.
   * @param {Item[]} items
   * @param {string[]} order the ids that were here before they went
   */
  restored(items, order) {
    if (this.query.bin) return;
    const shown = this.grid.items;
    if (shown.length && !shown.some((each) => order.includes(each.id))) return; // something else is looked for
    this.grid.putBack(items, order);
    this.count += items.length;
    this.showCount();
    this.facets();
  }

  showCount() {
    const { count, query, grid } = this;
    const none = !grid.items.length && !this.next;
    const total = count.toLocaleString(language());
    let words = ngettext("{total} item", "{total} items", count, { total });
    if (query.kind === "image") words = ngettext("{total} image", "{total} images", count, { total });
    if (query.kind === "video") words = ngettext("{total} video", "{total} videos", count, { total });
    setText(this.found, none ? "" : words);
    this.showMore.hidden = !this.next;
    grid.node.hidden = !grid.items.length;
    this.place.showEmpty(none);
  }

  showPlace() {
    const { bin } = this.query;
    this.root.classList.toggle("in-bin", Boolean(bin));
    this.toBin.setAttribute("aria-pressed", String(Boolean(bin)));
    this.toBin.hidden = !this.data.owned;
    this.pick.hidden = !this.data.owned;
    this.place.show();
  }

  async facets() {
    const { user, bin } = this.query;
    try {
      const found = await this.library.facets({ user, bin });
      setText(this.binCount, found.counts.bin ? found.counts.bin.toLocaleString(language()) : "");
      this.filters.offer(found);
    } catch {
      // the page works without the numbers; a lasting failure shows where items are loaded
    }
  }

  /** @param {boolean} on whether a click selects */
  setPicking(on) {
    this.grid.picking = on;
    this.pick.setAttribute("aria-pressed", String(on));
    this.root.classList.toggle("picking", on);
    if (!on) this.grid.choose([]);
    this.bar.show(this.grid.chosen.size);
  }
}

/**
 * What a page's address asks for.
 * @param {string} search
 * @returns {Query}
 */
function queryOf(search) {
  const given = new URLSearchParams(search);
  return Object.fromEntries(QUERY_NAMES.map((name) => [name, given.get(name) ?? ""]).filter(([, value]) => value));
}

/**
 * What scrolls around a node; null: the window.
 * @param {Node} node
 */
function scrollerOf(node) {
  /** @type {Node | null} */
  let each = node;
  while (each) {
    if (each instanceof Element && /auto|scroll/.test(getComputedStyle(each).overflowY)) return each;
    each = each.parentNode ?? (each instanceof ShadowRoot ? each.host : null);
  }
  return null;
}
