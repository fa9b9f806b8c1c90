// @ts-check
/** @import { Item, Tile } from "../types" */
/** What a finished item looks like on a job's page and in the gallery, and what can be done with it. */
import { Menu } from "../kit/dialogs.js";
import { el, find, iconButton, link, setText } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";
import { Sheet } from "./details.js";
import { ItemActions } from "./item_actions.js";
import { Lightbox } from "./lightbox.js";
import { Marks } from "./marks.js";
import { clock } from "./playback.js";

const HOVER_MS = 300; // before a clip plays under the mouse
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const TITLE_CHARACTERS = 300;

/**
 * The page that tiles are on.
 * @typedef {object} Host
 * @property {(href: string) => void} go leads to another page
 * @property {boolean} [jobs] whether tiles lead to their job
 * @property {() => Item[]} [list] what the lightbox goes through; without it, all finished tiles
 * @property {() => number} [total] how many of them there are
 * @property {() => Promise<boolean>} [more] loads further ones; whether some came
 * @property {(items: Item[], gone: string[]) => void} [changed] is called with what changed
 * @property {(items: Item[], order: string[]) => void} [restored]
 *   is called with what is back from the bin, and the ids that were there before it went
 * @property {(item: Item) => Tile | null} [focus] gives an item's tile the focus
 * @property {() => boolean} [inBin] whether the page shows the bin
 * @property {() => boolean} [selectable] whether items can be selected
 */

export class Tiles {
  /** @param {Host} host */
  constructor(host) {
    this.host = host;
    this.actions = new ItemActions({
      list: () => this.list(),
      show: (items, gone) => this.put(items, gone),
      restored: (items, order) => this.host.restored?.(items, order),
    });
    this.menu = new Menu();
    this.sheet = new Sheet(this);
    this.lightbox = new Lightbox(this);
    const { naming, question, snackbar } = this.actions;
    const parts = [this.lightbox, this.sheet, naming, question, this.menu, snackbar];
    /** What the page has to hold beside the tiles. */
    this.nodes = parts.map((each) => each.node);
  }

  get root() {
    return /** @type {HTMLElement} */ (this.lightbox.node.parentElement);
  }

  list() {
    const done = /** @type {NodeListOf<Tile>} */ (this.root.querySelectorAll('.tile[data-state="done"]'));
    return this.host.list?.() ?? [...done].map((tile) => tile.item);
  }

  total() {
    return this.host.total?.() ?? this.list().length;
  }

  async more() {
    return (await this.host.more?.()) ?? false;
  }

  /** @param {{ id: string }} item */
  tileOf({ id }) {
    return /** @type {Tile | null} */ (this.root.querySelector(`.tile[data-id="${CSS.escape(id)}"]`));
  }

  /**
   * Give an item's tile the focus; false where there is none.
   * @param {Item | undefined} item
   */
  focus(item) {
    const tile = item && (this.host.focus?.(item) ?? this.tileOf(item));
    if (tile) find(tile, ".frame").focus();
    return Boolean(tile);
  }

  /**
   * Return what a tile holds; `tile.item` is the item from then on.
   * @param {Tile} tile
   * @param {Item} item
   */
  finished(tile, item) {
    tile.item = item;
    const clip = item.kind === "video";
    const label = clip ? _("Play {what}", { what: item.alt }) : _("Open {what}", { what: item.alt });
    // A preview is as wide as a tile; a clip's poster has enough for screens with more pixels.
    const srcset = clip ? `${item.preview}, ${item.poster} 2x` : null;
    const picture = el("img", { srcset, src: item.preview, alt: "", loading: "lazy", decoding: "async" });
    const frame = el("button", { type: "button", className: "frame", "aria-label": label }, picture);
    frame.addEventListener("click", () => this.lightbox.open(tile.item, frame));
    frame.addEventListener("keydown", (event) => this.key(event, tile, frame));
    if (clip) {
      frame.append(el("span", { className: "length" }, icon("play"), item.seconds ? clock(item.seconds) : null));
      playUnderMouse(tile, frame);
    }
    const row = el("div", { className: "under" }, this.caption(item), this.buttons(tile, item));
    queueMicrotask(() => this.update(tile, tile.item)); // once they are in it
    return [frame, row];
  }

  /**
   * Bring a tile up to date with what has changed about its item.
   * @param {Tile} tile
   * @param {Item} item
   */
  update(tile, item) {
    tile.item = item;
    tile.classList.toggle("favourite", item.favourite);
    tile.marks?.show(item);
    tile.classList.toggle("rated", item.rating > 0);
    const until = tile.querySelector(".until");
    if (until) setText(until, item.binned);
  }

  /** @param {Item} item */
  caption(item) {
    const facts = el("span", { className: "facts-line", tabIndex: -1, text: `${item.name} · ${item.facts}` });
    const caption = el("div", { className: "caption" }, facts, el("span", { className: "until" }));
    if (this.host.jobs) {
      const words = item.prompt.trim().replace(/\s+/g, " ");
      const props = { className: "from", dir: "auto", text: words, title: words.slice(0, TITLE_CHARACTERS) };
      caption.append(this.lead(`/job?id=${item.job}`, props));
    }
    return caption;
  }

  /**
   * @param {Tile} tile
   * @param {Item} item
   */
  buttons(tile, item) {
    const { name, weight } = item;
    const marks = new Marks({
      rate: (rating) => this.actions.rate(tile.item, rating),
      favour: () => this.actions.favour(tile.item),
    });
    tile.marks = item.owned ? marks : undefined;
    const menu = { className: "more-acts", "aria-haspopup": "menu" };
    const more = iconButton("dots", _("More: {name}", { name }), () => this.openMenu(tile.item, more), menu);
    const download = el(
      "a",
      {
        className: "icon-button download",
        href: item.download,
        download: "",
        title: _("Download ({weight})", { weight }),
        "aria-label": _("Download {name}", { name }),
      },
      icon("download"),
    );
    const own = item.owned ? [marks.stars, marks.heart] : [];
    return el("div", { className: "quick" }, ...own, this.info(tile, item), download, more);
  }

  /**
   * A button that opens the details of an item.
   * @param {Tile} tile
   * @param {Item} item
   */
  info(tile, { name }) {
    const props = { className: "info", title: _("How it was made") };
    const open = () => this.sheet.open(tile.item, button);
    const button = iconButton("info", _("How {name} was made", { name }), open, props);
    return button;
  }

  /**
   * A link to another page of ours.
   * @param {string} href
   * @param {Record<string, any>} props
   * @param {Node[]} children
   */
  lead(href, props, ...children) {
    return link(href, () => this.host.go(href), props, ...children);
  }

  /**
   * @param {Item} item
   * @param {HTMLElement} button
   */
  openMenu(item, button) {
    this.menu.open(_("More: {name}", { name: item.name }), this.entries(item, button), button);
  }

  /**
   * Everything that can be done with an item, as links and buttons.
   * @param {Item} item
   * @param {HTMLElement} [opener] of the menu; without it, for beside the details
   */
  entries(item, opener) {
    const { actions } = this;
    const inner = (/** @type {string} */ name, /** @type {string} */ text) => [icon(name), el("span", { text })];
    /** @type {(name: string, text: string, run: () => void, className?: string) => HTMLElement} */
    const act = (name, text, run, className = "") =>
      el("button", { type: "button", className: `entry ${className}`, on: { click: run } }, ...inner(name, text));
    /** @type {(href: string | undefined, name: string, text: string) => HTMLElement | undefined} */
    const lead = (href, name, text) =>
      href ? this.lead(href, { className: "entry" }, ...inner(name, text)) : undefined;
    const binned = Boolean(item.binned);
    const download = { className: "entry", href: item.download, download: "" };
    const entries = [
      opener && act("info", _("Details"), () => this.sheet.open(item, opener)),
      opener && act("copy", _("Copy prompt"), () => actions.copyPrompt(item, this.root)),
      !binned && lead(item.remix, "remix", _("Remix")),
      !binned && lead(item.like, "similar", _("More like this")),
      !binned && lead(item.animate, "animate", _("Animate")),
      !binned && lead(item.upscale, "upscale", _("Upscale")),
      !binned &&
        item.owned &&
        opener &&
        act("collection", _("Add to a collection"), () => actions.collect([item], opener)),
      el("a", download, ...inner("download", _("Download"))),
      this.host.jobs && lead(`/job?id=${item.job}`, "leave", _("Everything of this prompt")),
      item.owned && !binned && act("bin", _("Move to the bin"), () => actions.bin([item])),
      item.owned && binned && act("restore", _("Restore"), () => actions.restore([item])),
      item.owned &&
        binned &&
        act("bin", _("Remove for good"), () => actions.remove([item], opener ?? this.lightbox.node), "bad"),
    ];
    return entries.filter((entry) => entry instanceof HTMLElement);
  }

  /**
   * @param {KeyboardEvent} event
   * @param {Tile} tile
   * @param {HTMLElement} frame
   */
  key(event, tile, frame) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const info = () => this.sheet.open(tile.item, frame);
    const act = event.key === "i" ? info : this.shortcut(event.key, tile.item, frame);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /**
   * Return what a key does to an item, on its tile and in the lightbox alike.
   * @param {string} key
   * @param {Item} item
   * @param {HTMLElement} opener
   */
  shortcut(key, item, opener) {
    const { actions } = this;
    if (!item.owned) return null;
    if (key === "f") return () => actions.favour(item);
    if (/^[0-5]$/.test(key)) return () => actions.rate(item, Number(key));
    if (key === "Delete") return () => (item.binned ? actions.remove([item], opener) : actions.bin([item]));
    return null;
  }

  /**
   * Show what has changed; what went to the bin, or came out of it, leaves this place.
   * @param {Item[]} items
   * @param {string[]} gone
   */
  put(items, gone) {
    const before = new Map(this.list().map((each, index) => [each.id, index]));
    const current = this.list().find((each) => each.id === this.lightbox.item?.id);
    const inBin = Boolean(this.host.inBin?.());
    const moved = items.filter((each) => Boolean(each.binned) !== inBin).map((each) => each.id);
    const leaving = [...gone, ...moved].filter((id) => before.has(id));
    const staying = items.filter((each) => before.has(each.id) && !leaving.includes(each.id));
    for (const item of staying) {
      const tile = this.tileOf(item);
      if (tile) this.update(tile, { ...tile.item, ...item });
    }
    if (this.host.changed) this.host.changed(staying, leaving);
    else for (const id of leaving) this.tileOf({ id })?.remove();
    this.lightbox.changed(staying, leaving, before.get(current?.id ?? "") ?? 0);
    if (!this.sheet.node.open) return;
    const shown = this.sheet.details.item?.id ?? "";
    const item = staying.find((each) => each.id === shown);
    if (item) this.sheet.details.show(item);
    else if (leaving.includes(shown)) this.sheet.node.close();
  }
}

/**
 * Play a clip under the mouse, without sound and without anything to be pressed.
 * @param {Tile} tile
 * @param {HTMLElement} frame
 */
function playUnderMouse(tile, frame) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const play = () => {
    const props = { muted: true, loop: true, playsInline: true, "aria-hidden": true };
    const clip = el("video", { ...props, src: tile.item.original });
    clip.addEventListener("playing", () => clip.classList.add("plays"));
    frame.append(clip);
    clip.play().catch(() => {}); // the poster stays
  };
  const stop = () => {
    clearTimeout(timer);
    const clip = frame.querySelector("video");
    clip?.removeAttribute("src");
    clip?.load();
    clip?.remove();
  };
  frame.addEventListener("pointerenter", ({ pointerType }) => {
    if (pointerType === "mouse" && !CALM.matches) timer = setTimeout(play, HOVER_MS);
  });
  for (const type of ["pointerleave", "click"]) frame.addEventListener(type, stop);
}
