import { Filters } from "./filters.js";
import { Grid } from "./grid.js";
import { Compare, MOST_COMPARED } from "../item/compare.js";
import { Tiles } from "../item/tile.js";
import { visit } from "../kit/address.js";
import { component, JOB_ENDED } from "../kit/component.js";
import { el, iconButton, isTyping, setText } from "../kit/dom.js";
import { _, language, ngettext } from "../kit/i18n.js";
import { icon, petals } from "../kit/icons.js";

const PAGE = 60;
const MOST_BACK = 1_200; // items that are fetched to come back to one
const QUERY = ["kind", "q", "provider", "model", "ratio", "from", "to", "favourite", "rating", "collection", "job", "bin", "sort", "user"];

export default component(["kit/dialogs.css", "item/lightbox.css", "item/tile.css", "item/compare.css", "gallery/gallery.css"], (root, data) => new Gallery(root, data));

class Gallery {
  constructor(parent, data) {
    this.data = data;
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
    this.library = this.tiles.library;
    this.grid = new Grid(this.tiles, { selected: (ids) => this.bar.show(ids.size) });
    this.compare = new Compare(this.tiles);
    this.bar = new SelectionBar(this);
    this.filters = new Filters((changes) => this.look(changes));
    this.build(parent);
    this.listen();
    this.query = queryOf(location.search);
    this.filters.show(this.query);
    this.take(data);
    this.facets();
    this.comeBack(history.state?.gallery);
  }

  build(parent) {
    const { filters } = this;
    this.note = el("p", { className: "note", "data-testid": "note", hidden: true });
    this.said = el("p", { className: "said", role: "status", "data-testid": "found" });
    this.fresh = el("button", { type: "button", className: "button slim fresh", hidden: true, on: { click: () => { this.load(); this.facets(); } } });
    this.pick = iconButton("select", _("Select"), () => this.setPicking(!this.grid.picking), { className: "tool", "aria-pressed": false });
    this.toBin = el("button", { type: "button", className: "icon-button tool", "aria-pressed": false, title: _("Bin"), "aria-label": _("Bin"), on: { click: () => this.look({ bin: this.query.bin ? "" : "1" }) } }, icon("bin"), el("span", { className: "count" }));
    this.place = el("div", { className: "place", hidden: true });
    this.trouble = el("p", { className: "trouble", role: "alert" });
    this.again = el("button", { type: "button", className: "button", text: _("Try again"), on: { click: () => this.tryAgain() } });
    this.failure = el("div", { className: "failure", hidden: true }, this.trouble, this.again);
    this.empty = el("div", { className: "empty", hidden: true });
    this.button = el("button", { type: "button", className: "button more", text: _("Show more"), hidden: true, on: { click: () => this.more() } });
    this.end = el("div", { className: "end" });
    this.head = el("div", { className: "head", role: "search", "aria-label": _("Gallery") },
      el("div", { className: "find" }, icon("search"), filters.search),
      filters.kinds,
      el("div", { className: "tools" }, filters.open, filters.sort, this.pick, this.toBin));
    this.root = el("div", { className: "ff gallery", "data-testid": "gallery" },
      this.note, this.head, filters.panel, filters.chips, this.place, this.said, this.fresh, this.grid.node, this.empty, this.failure, this.button, this.end,
      this.bar.node, this.compare.node, ...this.tiles.nodes);
    parent.append(this.root);
    const scroller = scrollerOf(parent);
    this.scroller = scroller ?? window;
    this.grid.watch(scroller);
    new IntersectionObserver(([entry]) => { if (entry.isIntersecting && !this.failed) this.more(); }, { root: scroller, rootMargin: "1200px 0px" }).observe(this.end);
  }

  listen() {
    const whileShown = (target, type, act) => {
      const listener = (event) => (this.root.isConnected ? act(event) : target.removeEventListener(type, listener));
      target.addEventListener(type, listener);
    };
    whileShown(window, "popstate", () => {
      if (location.pathname.endsWith("/gallery")) this.go(queryOf(location.search));
    });
    whileShown(window, JOB_ENDED, () => this.lookForNew());
    whileShown(document, "visibilitychange", () => this.lookForNew());
    whileShown(document, "keydown", (event) => {
      const at = event.composedPath()[0];
      if (event.key !== "/" || event.ctrlKey || event.metaKey || at.isContentEditable || isTyping(at) || this.root.querySelector("dialog:modal")) return;
      event.preventDefault();
      this.filters.search.focus();
      this.filters.search.select();
    });
    // Streamlit's own shortcuts are not for somebody who types in here.
    for (const type of ["keydown", "keyup", "keypress"]) this.root.addEventListener(type, (event) => { if (isTyping(event.target)) event.stopPropagation(); });
  }

  update(data) {
    this.data = data;
    this.note.hidden = !data.note;
    setText(this.note, data.note ?? "");
  }

  /** Look for something else: the address says what, so that it can be gone back to, and sent. */
  look(changes) {
    const query = { ...this.query, ...changes };
    for (const name of Object.keys(query)) if (!query[name]) delete query[name];
    const typing = Object.keys(changes).join() === "q" && this.query.q && query.q; // letter by letter is one step back
    const address = `${location.pathname}?${new URLSearchParams(query)}`.replace(/\?$/, "");
    history[typing ? "replaceState" : "pushState"](history.state, "", address);
    this.go(query);
  }

  go(query) {
    const other = Boolean(query.bin) !== Boolean(this.query.bin);
    this.query = query;
    this.filters.show(query);
    this.scroller.scrollTo(0, 0);
    this.load();
    if (other) this.facets();
  }

  /** Go to another page; coming back from there leads to the same item. */
  leave(address) {
    const { lightbox } = this.tiles;
    const item = lightbox.node.open ? lightbox.item : this.grid.current?.item;
    history.replaceState({ ...history.state, gallery: item?.id }, "");
    visit(address);
  }

  async comeBack(id) {
    const item = () => this.grid.items.find((each) => each.id === id);
    while (id && !item() && this.grid.items.length < MOST_BACK && (await this.more()));
    if (id && item()) this.grid.focus(item()).scrollIntoView({ block: "center" });
  }

  /** Say that something was finished meanwhile; what is on the screen stays where it is. */
  async lookForNew() {
    const { query } = this;
    if (document.hidden || this.loading || query.bin) return;
    const { total } = await this.library.items({ ...query, limit: 1 }).catch(() => ({ total: 0 }));
    const count = total - this.count;
    if (query !== this.query || this.loading) return;
    this.fresh.hidden = count < 1;
    setText(this.fresh, ngettext("Show {count} new item", "Show {count} new items", count));
  }

  /** Fetch from the start. */
  async load() {
    this.running?.abort();
    const running = (this.running = new AbortController());
    this.failed = null;
    this.failure.hidden = true;
    this.grid.node.setAttribute("aria-busy", true);
    this.loading = true;
    try {
      const found = await this.library.items({ ...this.query, limit: PAGE }, running.signal);
      if (running === this.running) this.take(found);
    } catch (error) {
      if (running === this.running && error.name !== "AbortError") {
        this.fail(error, () => this.load());
        this.said.after(this.failure); // what is below was looked for before
      }
    } finally {
      if (running === this.running) {
        this.loading = false;
        this.grid.node.setAttribute("aria-busy", false);
      }
    }
  }

  /** Show a first page. */
  take({ items, next, total, trouble }) {
    this.next = next;
    this.count = total ?? items.length;
    this.fresh.hidden = true;
    this.grid.set(items);
    this.showPlace();
    this.showCount();
    if (trouble) this.fail(new Error(trouble), () => this.filters.clear(), _("Clear all filters"));
  }

  /** Fetch the next page; returns whether there was one. */
  async more() {
    if (!this.next || this.loading || !this.grid.node.isConnected) return false;
    this.loading = true;
    const running = (this.running = new AbortController());
    this.button.disabled = true;
    try {
      const { items, next } = await this.library.items({ ...this.query, after: this.next, limit: PAGE }, running.signal);
      this.next = next;
      this.failed = null;
      this.failure.hidden = true;
      this.grid.append(items);
      this.showCount();
      return items.length > 0;
    } catch (error) {
      if (error.name !== "AbortError") {
        this.fail(error, () => this.more());
        this.button.before(this.failure);
      }
      return false;
    } finally {
      if (running === this.running) this.loading = false;
      this.button.disabled = false;
    }
  }

  fail(error, again, text = _("Try again")) {
    this.failed = again;
    setText(this.trouble, error.message);
    setText(this.again, text);
    this.failure.hidden = false;
    this.empty.hidden = true;
  }

  tryAgain() {
    const { failed } = this;
    this.failed = null;
    failed?.();
  }

  changed(items, leaving) {
    const before = this.grid.items.length;
    this.grid.changed(items, leaving);
    this.count -= before - this.grid.items.length;
    if (leaving.length) {
      this.showCount();
      this.facets();
      if (this.grid.items.length < PAGE / 2) this.more();
    }
  }

  /** Items are back from the bin; `order` are the ids that were here before they went. */
  restored(items, order) {
    if (this.query.bin) return;
    if (this.grid.items.length && !this.grid.items.some((each) => order.includes(each.id))) return; // something else is looked for
    this.grid.putBack(items, order);
    this.count += items.length;
    this.showCount();
    this.facets();
  }

  showCount() {
    const { count, query, grid } = this;
    const none = !grid.items.length && !this.next;
    const total = count.toLocaleString(language());
    const texts = {
      image: () => ngettext("{total} image", "{total} images", count, { total }),
      video: () => ngettext("{total} video", "{total} videos", count, { total }),
    };
    const all = () => ngettext("{total} item", "{total} items", count, { total });
    setText(this.said, none ? "" : (texts[query.kind] ?? all)());
    this.button.hidden = !this.next;
    this.empty.hidden = !none;
    grid.node.hidden = !grid.items.length;
    if (none) this.teach();
  }

  /** Say why nothing is here, and what to do about it. */
  teach() {
    const { query } = this;
    const [title, text, act, run] = this.filters.narrow
      ? [_("Nothing found"), _("Nothing of yours fits all of this. Take a filter away, or look for another word."), _("Clear all filters"), () => this.filters.clear()]
      : query.bin
        ? [_("The bin is empty"), _("What you delete stays here for a while before it is gone for good."), _("Back to the gallery"), () => this.look({ bin: "" })]
        : [_("Your gallery is empty"), _("Every image and video that you make will hang here."), _("Create something"), () => visit("/")];
    this.empty.replaceChildren(petals(56), el("h2", { text: title }), el("p", { text }), el("button", { type: "button", className: "button primary", text: act, on: { click: run } }));
  }

  /** Say where one is, beyond the whole gallery: in the bin, in a collection. */
  showPlace() {
    const { query } = this;
    const { collection } = query;
    this.root.classList.toggle("in-bin", Boolean(query.bin));
    this.toBin.setAttribute("aria-pressed", Boolean(query.bin));
    this.toBin.hidden = !this.data.owned;
    this.pick.hidden = !this.data.owned;
    this.place.hidden = !(query.bin || (collection && this.data.owned));
    if (query.bin) {
      this.place.replaceChildren(el("h2", { text: _("Bin") }),
        el("p", { text: ngettext("What lies here is removed for good after {count} day.", "What lies here is removed for good after {count} days.", this.data.binDays) }),
        el("button", { type: "button", className: "button slim", text: _("Back to the gallery"), on: { click: () => this.look({ bin: "" }) } }));
    } else if (collection) {
      const rename = el("button", { type: "button", className: "button slim", text: _("Rename"), on: { click: () => this.rename(collection, rename) } });
      const drop = el("button", { type: "button", className: "button slim", text: _("Delete collection"), on: { click: () => this.dropCollection(collection, drop) } });
      this.place.replaceChildren(el("h2", { dir: "auto", text: collection }), rename, drop);
    }
  }

  rename(collection, opener) {
    this.tiles.naming.open({ title: _("Rename the collection"), yes: _("Rename"), value: collection }, opener, (name) => this.collection({ name: collection, rename: name }, name));
  }

  dropCollection(collection, opener) {
    this.tiles.question.open({
      title: _("Delete the collection “{name}”?", { name: collection }),
      text: _("Its images and videos stay in the gallery."),
      yes: _("Delete collection"),
      no: _("Keep"),
    }, opener, () => this.collection({ name: collection, delete: true }, ""));
  }

  async collection(change, becomes) {
    try {
      await this.library.collections(change);
    } catch (error) {
      this.tiles.snack.say(error.message);
      return;
    }
    this.tiles.asked = null;
    this.look({ collection: becomes });
    this.facets();
  }

  async facets() {
    const { user, bin } = this.query;
    try {
      const found = await this.library.facets({ user, bin });
      setText(this.toBin.querySelector(".count"), found.counts.bin ? found.counts.bin.toLocaleString(language()) : "");
      this.filters.offer(found);
    } catch {} // the page works without the numbers; what fails for good is said where it is asked for
  }

  setPicking(on) {
    this.grid.picking = on;
    this.pick.setAttribute("aria-pressed", on);
    this.root.classList.toggle("picking", on);
    if (!on) this.grid.choose([]);
    this.bar.show(this.grid.chosen.size);
  }
}

/** What can be done with everything that is selected. */
class SelectionBar {
  constructor(gallery) {
    this.gallery = gallery;
    const { tiles } = gallery;
    const picked = () => gallery.grid.picked;
    const act = (name, text, run) => el("button", { type: "button", className: "button slim", title: text, "aria-label": text, on: { click: run } }, icon(name), el("span", { className: "text", text }));
    this.words = el("span", { className: "words", role: "status" });
    this.all = el("button", { type: "button", className: "plain", text: _("Select all"), on: { click: () => gallery.grid.choose(gallery.grid.items.map((each) => each.id)) } });
    this.compareButton = act("compare", _("Compare"), () => gallery.compare.open(picked(), this.compareButton));
    this.collect = act("collection", _("Add to a collection"), () => tiles.collect(picked(), this.collect));
    this.usual = [
      act("download", _("Download"), () => gallery.library.download(picked().map((each) => each.id), (sentence) => tiles.snack.say(sentence))),
      act("heart", _("Favourite"), () => tiles.mark(picked(), { favourite: picked().some((each) => !each.favourite) })),
      this.collect,
      this.compareButton,
      act("bin", _("Move to the bin"), () => tiles.bin(picked())),
    ];
    const remove = act("bin", _("Remove for good"), () => tiles.remove(picked(), remove));
    this.binned = [act("restore", _("Restore"), () => tiles.restore(picked())), remove];
    this.node = el("div", { className: "selection", role: "toolbar", "aria-label": _("Selected items"), hidden: true },
      this.words, this.all, el("div", { className: "acts" }, ...this.usual, ...this.binned),
      iconButton("close", _("Clear the selection"), () => gallery.setPicking(false)));
  }

  show(count) {
    const { query, grid } = this.gallery;
    this.node.hidden = !count && !grid.picking;
    this.gallery.root?.classList.toggle("selecting", count > 0);
    setText(this.words, count ? ngettext("{count} selected", "{count} selected", count) : _("Select what you want to use"));
    for (const button of this.usual) button.hidden = Boolean(query?.bin);
    for (const button of this.binned) button.hidden = !query?.bin;
    for (const button of [...this.usual, ...this.binned]) button.disabled = !count;
    this.compareButton.disabled = count < 2 || count > MOST_COMPARED;
  }
}

/** What a page's address asks for. */
function queryOf(search) {
  const given = new URLSearchParams(search);
  return Object.fromEntries(QUERY.filter((name) => given.get(name)).map((name) => [name, given.get(name)]));
}

/** What scrolls around a node; null: the window. */
function scrollerOf(node) {
  for (let each = node; each; each = each.parentNode ?? each.host) {
    if (each instanceof Element && /auto|scroll/.test(getComputedStyle(each).overflowY)) return each;
  }
  return null;
}
