// @ts-check
/** @import { Item } from "../types" */
/** @import { Tiles } from "./tile.js" */
/** Images and clips one at a time, whole and in full size, with everything that is known of them. */
import { at } from "../kit/address.js";
import { closeButton, Dialog } from "../kit/dialogs.js";
import { el, iconButton, isTyping, setText, showText } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";
import { recall, remember } from "../kit/storage.js";
import { Details } from "./details.js";
import { Marks } from "./marks.js";
import { Player } from "./player.js";
import { Zoom } from "./zoom.js";

const PLAY_ON = "fivefold-play-on";
const PANEL = "fivefold-panel";
const WIDE_PX = 900; // of a window that has room for the panel
const AHEAD = 5; // so near the end, further items are loaded

export class Lightbox extends Dialog {
  /** @param {Tiles} tiles */
  constructor(tiles) {
    const main = el("div", { className: "main" });
    const panel = el("aside", { className: "panel", "aria-label": _("Details"), hidden: true });
    super({ className: "lightbox", "aria-label": _("Viewer"), tabIndex: -1 }, main, panel);
    this.tiles = tiles;
    this.main = main;
    this.panel = panel;
    /** @type {Item | undefined} */
    this.item = undefined;
    /** @type {HTMLImageElement[]} */
    this.ahead = [];
    this.playsOn = recall("localStorage", PLAY_ON) !== "no";
    this.image = el("img", { alt: "", draggable: false });
    this.clip = el("video", { playsInline: true, preload: "auto" });
    this.words = el("span", { className: "words", role: "status" });
    this.sorry = el("p", { className: "sorry", role: "alert", hidden: true });
    this.stage = el("div", { className: "stage" }, this.image, this.clip, this.sorry);
    this.player = new Player();
    this.details = new Details(tiles, "h2");
    this.marks = new Marks({
      rate: (rating) => this.item && tiles.actions.rate(this.item, rating),
      favour: () => this.item && tiles.actions.favour(this.item),
    });
    this.download = el("a", { className: "icon-button", download: "", title: _("Download") }, icon("download"));
    const pressed = { "aria-pressed": false };
    this.info = iconButton("info", _("Details"), () => this.showPanel(Boolean(this.panel.hidden)), pressed);
    const playOn = _("Play the next one when a clip ends");
    this.playOn = iconButton("onward", playOn, () => this.setPlayOn(!this.playsOn), pressed);
    this.previous = iconButton("previous", _("Previous"), () => this.step(-1), { className: "previous" });
    this.next = iconButton("next", _("Next"), () => this.step(1), { className: "next" });
    this.zoom = new Zoom({
      targets: () => [this.image, this.clip],
      swiped: (by) => this.step(by),
      dismissed: () => this.node.close(),
      zoomed: (scale) => this.stage.classList.toggle("zoomed", scale > 1),
    });
    this.build();
    this.listen();
  }

  build() {
    const wide = { className: "wide-only" };
    const top = el(
      "div",
      { className: "top" },
      this.words,
      this.marks.stars,
      this.marks.heart,
      this.playOn,
      iconButton("minus", _("Zoom out"), () => this.zoomBy(0.7), wide),
      iconButton("plus", _("Zoom in"), () => this.zoomBy(1.4), wide),
      iconButton("fullscreen", _("Full screen"), () => this.toggleFull(), wide),
      this.download,
      this.info,
      closeButton(() => this.node),
    );
    this.stage.append(this.previous, this.next);
    this.main.append(top, this.stage, this.player.node);
    this.panel.append(this.details.node);
    this.setPlayOn(this.playsOn);
    this.zoom.watch(this.stage);
  }

  listen() {
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.stage.addEventListener("click", ({ target }) => {
      if (target === this.clip && !this.zoom.dragged) this.player.toggle();
      if (target === this.stage && !this.zoom.dragged) this.node.close();
    });
    this.clip.addEventListener("error", () => {
      if (this.clip.hasAttribute("src")) this.apologise(_("This clip cannot be played at the moment."));
    });
    this.image.addEventListener("error", () => {
      if (this.image.hasAttribute("src")) this.apologise(_("This image cannot be shown at the moment."));
    });
    // The preview stands in until then; it must not shine through what is transparent.
    this.image.addEventListener("load", () => {
      this.image.style.background = "";
    });
    this.player.ended = () => {
      if (this.playsOn && this.items.length > 1) this.step(1);
    };
  }

  /**
   * Show an item among those that `tiles.list()` returns.
   * @param {Item} item
   * @param {HTMLElement} opener
   */
  open(item, opener) {
    this.item = undefined;
    this.show(opener);
    this.showPanel(recall("localStorage", PANEL) === "open" && innerWidth >= WIDE_PX);
    this.put(item);
    this.node.focus();
  }

  /** @override */
  closed() {
    this.details.keep();
    this.player.attach([]);
    this.clip.pause();
    for (const node of [this.clip, this.image]) node.removeAttribute("src");
    this.clip.load();
    if (!this.tiles.focus(this.item)) super.closed();
  }

  get items() {
    return this.tiles.list();
  }

  get index() {
    return this.items.findIndex((each) => each.id === this.item?.id);
  }

  /** @param {number} by */
  async step(by) {
    let { items } = this;
    const index = this.index + by;
    if (index >= items.length && (await this.tiles.more())) items = this.items;
    const item = items[(index + items.length) % items.length];
    if (this.node.open && item) this.put(item);
  }

  /** @param {Item} item */
  put(item) {
    const clip = item.kind === "video";
    this.zoom.reset();
    this.item = item;
    this.sorry.hidden = true;
    this.image.hidden = clip;
    this.clip.hidden = !clip;
    const shown = clip ? this.clip : this.image;
    shown.width = item.width;
    shown.height = item.height;
    if (clip) {
      this.image.removeAttribute("src");
      this.clip.poster = at(item.poster);
      this.clip.src = at(item.original);
      this.clip.setAttribute("aria-label", item.alt);
    } else {
      this.clip.removeAttribute("src");
      this.clip.load();
      this.image.style.background = `center / contain no-repeat url("${at(item.preview)}")`;
      this.image.src = at(item.original);
      this.image.alt = item.alt;
    }
    this.player.attach(clip ? [this.clip] : []);
    if (clip) this.player.start();
    this.playOn.hidden = !clip;
    this.describe(item);
    this.preload();
  }

  /**
   * Bring everything about the item up to date.
   * @param {Item} item
   */
  describe(item) {
    const { items, index } = this;
    const total = Math.max(this.tiles.total(), items.length);
    const words = [_("{number} of {total}", { number: index + 1, total }), item.facts, item.weight];
    setText(this.words, words.filter(Boolean).join(" · "));
    this.download.href = at(item.download);
    this.download.setAttribute("aria-label", _("Download {name}", { name: item.name }));
    this.previous.hidden = this.next.hidden = total < 2;
    this.marks.hide(!item.owned);
    if (item.owned) this.marks.show(item);
    this.details.show(item);
  }

  /**
   * Something about items has changed: ours may be another now, or gone.
   * @param {Item[]} items
   * @param {string[]} gone
   * @param {number} index where ours was
   */
  changed(items, gone, index) {
    if (!this.node.open || !this.item) return;
    const { id } = this.item;
    if (gone.includes(id)) {
      const left = this.items;
      const item = left[Math.min(index, left.length - 1)];
      if (item) this.put(item);
      else this.node.close();
      return;
    }
    this.item = items.find((each) => each.id === id) ?? this.item;
    this.describe(this.item);
  }

  /** Have the neighbours' previews at hand. Not the files: that would be logged as a look at them. */
  preload() {
    const { items, index } = this;
    this.ahead = [items[index - 1], items[index + 1]]
      .filter((item) => item !== undefined)
      .map((item) => el("img", { src: item.kind === "video" ? item.poster : item.preview }));
    if (index >= items.length - AHEAD) this.tiles.more();
  }

  /** @param {string} otherwise the sentence where no reason is known */
  apologise(otherwise) {
    showText(this.sorry, this.item?.message || otherwise);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(target) || !this.item) return;
    const onButton = target instanceof Element && target.closest("button, a")?.matches(":focus-visible");
    /** @type {Record<string, (() => void) | null>} */
    const acts = {
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      " ": onButton ? null : () => this.player.toggle(),
      i: () => this.showPanel(Boolean(this.panel.hidden)),
      d: () => this.download.click(),
      "+": () => this.zoomBy(1.4),
      "=": () => this.zoomBy(1.4),
      "-": () => this.zoomBy(0.7),
      ",": () => this.player.step(-1),
      ".": () => this.player.step(1),
    };
    const act = Object.hasOwn(acts, key) ? acts[key] : this.tiles.shortcut(key, this.item, this.node);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /** @param {number} factor */
  zoomBy(factor) {
    this.zoom.by(factor, this.stage);
  }

  /** @param {boolean} open */
  showPanel(open) {
    this.panel.hidden = !open;
    this.info.setAttribute("aria-pressed", String(open));
    remember("localStorage", PANEL, open ? "open" : "closed");
    if (!open) this.details.keep();
  }

  /** @param {boolean} on */
  setPlayOn(on) {
    this.playsOn = on;
    this.playOn.setAttribute("aria-pressed", String(on));
    remember("localStorage", PLAY_ON, on ? "yes" : "no");
  }

  toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.main.requestFullscreen?.().catch(() => {});
  }
}
