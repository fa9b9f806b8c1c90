import { heart, Sheet, stars } from "./details.js";
import { Library } from "./library_client.js";
import { Lightbox } from "./lightbox.js";
import { clock } from "./player.js";
import { copyText, Menu, Naming, Question, Snack } from "../kit/dialogs.js";
import { el, iconButton, link, setText } from "../kit/dom.js";
import { _, ngettext } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";

const HOVER_MS = 300; // before a clip plays under the mouse
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

/** What a finished item looks like on a job's page and in the gallery, and what can be done with it. */
export class Tiles {
  /**
   * `acts`, all optional: `go(address)` leads to another page (links are plain ones without);
   * `jobs`: whether tiles lead to their job; `list()` are the items that the lightbox goes through, `total()` how many there are,
   * `more()` loads further ones and tells whether some came; `changed(items, gone)` is told what
   * changed, `restored(items, order)` that items are back from the bin, and which ids there were before; `focus(item)` gives its tile the focus.
   */
  constructor(acts) {
    this.acts = acts;
    this.library = new Library();
    this.question = new Question();
    this.naming = new Naming();
    this.snack = new Snack();
    this.menu = new Menu();
    this.sheet = new Sheet(this);
    this.lightbox = new Lightbox(this);
    this.nodes = [this.lightbox, this.sheet, this.naming, this.question, this.menu, this.snack].map((each) => each.node);
  }

  get root() {
    return this.lightbox.node.parentElement;
  }

  list() {
    return this.acts.list?.() ?? [...this.root.querySelectorAll('.tile[data-state="done"]')].map((tile) => tile.item);
  }

  total() {
    return this.acts.total?.() ?? this.list().length;
  }

  async more() {
    return (await this.acts.more?.()) ?? false;
  }

  tileOf(item) {
    return this.root.querySelector(`.tile[data-id="${CSS.escape(item.id)}"]`);
  }

  /** Give an item's tile the focus; false where there is none. */
  focus(item) {
    const tile = item && (this.acts.focus?.(item) ?? this.tileOf(item));
    tile?.querySelector(".frame").focus();
    return Boolean(tile);
  }

  /** Return what a tile holds; `tile.item` is the item from then on. */
  finished(tile, item) {
    tile.item = item;
    const clip = item.kind === "video";
    const frame = el("button", { type: "button", className: "frame", "aria-label": clip ? _("Play {what}", { what: item.alt }) : _("Open {what}", { what: item.alt }) },
      // A preview is as wide as a tile; a clip's poster has enough for screens with more pixels.
      el("img", { srcset: clip ? `${item.preview}, ${item.poster} 2x` : null, src: item.preview, alt: "", loading: "lazy", decoding: "async" }));
    frame.addEventListener("click", () => this.lightbox.open(tile.item, frame));
    frame.addEventListener("keydown", (event) => this.key(event, tile, frame));
    if (clip) {
      frame.append(el("span", { className: "length" }, icon("play"), item.seconds ? clock(item.seconds) : null));
      this.playUnderMouse(tile, frame);
    }
    const row = el("div", { className: "under" }, this.caption(item), this.buttons(tile, item));
    queueMicrotask(() => this.update(tile, tile.item)); // once they are in it
    return [frame, row];
  }

  /** Bring a tile up to date with what has changed about its item. */
  update(tile, item) {
    tile.item = item;
    tile.classList.toggle("favourite", Boolean(item.favourite));
    tile.querySelector(".heart")?.show(item);
    tile.querySelector(".stars")?.show(item.rating);
    tile.classList.toggle("rated", item.rating > 0);
    setText(tile.querySelector(".until") ?? el("span"), item.binned || "");
  }

  caption(item) {
    const caption = el("div", { className: "caption" }, el("span", { className: "facts-line", tabIndex: -1, text: `${item.name} · ${item.facts}` }), el("span", { className: "until" }));
    if (this.acts.jobs) {
      const words = item.prompt.trim().replace(/\s+/g, " ");
      caption.append(this.lead(`/job?id=${item.job}`, { className: "from", dir: "auto", text: words, title: words.slice(0, 300) }));
    }
    return caption;
  }

  buttons(tile, item) {
    const { name } = item;
    const own = item.owned && [stars((rating) => this.rate(tile.item, rating)), heart(() => this.favour(tile.item))];
    const more = iconButton("dots", _("More: {name}", { name }), () => this.openMenu(tile.item, more), { className: "more-acts", "aria-haspopup": "menu" });
    return el("div", { className: "quick" }, ...(own || []), this.info(tile, item),
      el("a", { className: "icon-button download", href: item.download, download: "", title: _("Download ({weight})", { weight: item.weight }), "aria-label": _("Download {name}", { name }) }, icon("download")),
      more);
  }

  /** A button that tells how an item was made. */
  info(tile, item) {
    const about = _("How {name} was made", { name: item.name });
    const button = iconButton("info", about, () => this.sheet.open(tile.item, button), { className: "info", title: _("How it was made") });
    return button;
  }

  /** Play a clip under the mouse, without sound and without anything to be pressed. */
  playUnderMouse(tile, frame) {
    const stop = () => {
      clearTimeout(frame.timer);
      const clip = frame.querySelector("video");
      clip?.removeAttribute("src");
      clip?.load();
      clip?.remove();
    };
    frame.addEventListener("pointerenter", ({ pointerType }) => {
      if (pointerType !== "mouse" || CALM.matches) return;
      frame.timer = setTimeout(() => {
        const clip = el("video", { muted: true, loop: true, playsInline: true, "aria-hidden": true, src: tile.item.original });
        clip.addEventListener("playing", () => clip.classList.add("plays"));
        frame.append(clip);
        clip.play().catch(() => {}); // the poster stays
      }, HOVER_MS);
    });
    for (const type of ["pointerleave", "click"]) frame.addEventListener(type, stop);
  }

  /** A link to another page of ours. */
  lead(href, props, ...children) {
    return this.acts.go ? link(href, () => this.acts.go(href), props, ...children) : el("a", { href, ...props }, ...children);
  }

  openMenu(item, button) {
    this.menu.open(_("More: {name}", { name: item.name }), this.entries(item, button), button);
  }

  /** Everything that can be done with an item, as links and buttons. */
  entries(item, opener) {
    const inner = (name, text) => [icon(name), el("span", { text })];
    const act = (name, text, run, className = "") => el("button", { type: "button", className: `entry ${className}`, on: { click: run } }, ...inner(name, text));
    const lead = (href, name, text) => href && this.lead(href, { className: "entry" }, ...inner(name, text));
    const binned = Boolean(item.binned);
    return [
      opener && act("info", _("Details"), () => this.sheet.open(item, opener)),
      opener && act("copy", _("Copy prompt"), () => this.copy(item)),
      ...(binned ? [] : [
        lead(item.remix, "remix", _("Remix")),
        lead(item.like, "similar", _("More like this")),
        lead(item.animate, "animate", _("Animate")),
        lead(item.upscale, "upscale", _("Upscale")),
        item.owned && opener && act("collection", _("Add to a collection"), () => this.collect([item], opener)),
      ]),
      el("a", { className: "entry", href: item.download, download: "" }, ...inner("download", _("Download"))),
      this.acts.jobs && lead(`/job?id=${item.job}`, "leave", _("Everything of this prompt")),
      item.owned && !binned && act("bin", _("Move to the bin"), () => this.bin([item])),
      item.owned && binned && act("restore", _("Restore"), () => this.restore([item])),
      item.owned && binned && act("bin", _("Remove for good"), () => this.remove([item], opener ?? this.lightbox.node), "bad"),
    ].filter(Boolean);
  }

  key(event, tile, frame) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = event.key === "i" ? () => this.sheet.open(tile.item, frame) : this.shortcut(event.key, tile.item, frame);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /** Return what a key does to an item, on its tile and in the lightbox alike. */
  shortcut(key, item, opener) {
    if (!item.owned) return null;
    if (key === "f") return () => this.favour(item);
    if (/^[0-5]$/.test(key)) return () => this.rate(item, Number(key));
    if (key === "Delete") return () => (item.binned ? this.remove([item], opener) : this.bin([item]));
    return null;
  }

  favour(item) {
    return this.mark([item], { favourite: !item.favourite });
  }

  rate(item, rating) {
    return this.mark([item], { rating });
  }

  /** Change marks: at once on the screen, and back where it could not be stored. */
  async mark(items, changes) {
    this.put(items.map((each) => ({ ...each, ...changes })), []);
    const done = await this.change(items, changes);
    if (!done) this.put(items, []);
    return done;
  }

  collections() {
    this.asked ??= this.library.facets({}).then(({ collections }) => collections.map(({ name }) => name)).catch(() => { this.asked = null; return []; });
    return this.asked;
  }

  async collect(items, opener) {
    const names = await this.collections();
    this.naming.open({ title: _("Add to a collection"), yes: _("Add"), names }, opener, async (name) => {
      if (await this.change(items, { collect: name })) this.snack.say(ngettext("{count} item is in “{name}”.", "{count} items are in “{name}”.", items.length, { name }));
    });
  }

  async bin(items) {
    const order = this.list().map((each) => each.id);
    if (!(await this.change(items, { bin: true }))) return;
    this.snack.say(ngettext("{count} item is in the bin.", "{count} items are in the bin.", items.length), _("Undo"), async () => {
      if (await this.change(items, { bin: false })) this.acts.restored?.(items, order);
    });
  }

  async restore(items) {
    if (await this.change(items, { bin: false })) this.snack.say(ngettext("{count} item is back.", "{count} items are back.", items.length));
  }

  remove(items, opener) {
    this.question.open({
      title: ngettext("Remove {count} item for good?", "Remove {count} items for good?", items.length),
      text: _("The files are deleted now. This cannot be taken back."),
      yes: _("Remove for good"),
      no: _("Keep"),
    }, opener, async () => {
      if (await this.change(items, { remove: true })) this.snack.say(ngettext("{count} item is gone.", "{count} items are gone.", items.length));
    });
  }

  async copy(item) {
    const done = await copyText(item.prompt, this.root);
    this.snack.say(done ? _("Copied") : _("This browser does not let Fivefold copy; select the text instead."));
  }

  /** Have items changed on the server and then on the screen; false, and said, where that fails. */
  async change(items, changes) {
    try {
      const { items: changed, gone } = await this.library.change(items.map((each) => each.id), changes);
      if (changes.collect) this.asked = null;
      this.put(changed, gone);
      return true;
    } catch (error) {
      this.snack.say(error.message);
      return false;
    }
  }

  /** Show what has changed; what went to the bin, or came out of it, leaves this place. */
  put(items, gone) {
    const before = new Map(this.list().map((each, index) => [each.id, index]));
    const current = this.list().find((each) => each.id === this.lightbox.item?.id);
    const leaving = [...gone, ...items.filter((each) => Boolean(each.binned) !== Boolean(this.acts.inBin?.())).map((each) => each.id)].filter((id) => before.has(id));
    const staying = items.filter((each) => before.has(each.id) && !leaving.includes(each.id));
    for (const item of staying) {
      const tile = this.tileOf(item);
      if (tile) this.update(tile, { ...tile.item, ...item });
    }
    if (this.acts.changed) this.acts.changed(staying, leaving);
    else leaving.forEach((id) => this.tileOf({ id })?.remove());
    this.lightbox.changed(staying, leaving, before.get(current?.id) ?? 0);
    if (this.sheet.node.open) {
      const shown = this.sheet.details.item.id;
      const item = staying.find((each) => each.id === shown);
      if (item) this.sheet.details.show(item);
      else if (leaving.includes(shown)) this.sheet.node.close();
    }
  }
}
