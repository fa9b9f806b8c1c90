import { Details, heart, stars } from "./details.js";
import { Player } from "./player.js";
import { Zoom } from "./zoom.js";
import { at } from "../kit/address.js";
import { closeButton, Dialog } from "../kit/dialogs.js";
import { el, iconButton, isTyping, setText } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";
import { recall, remember } from "../kit/storage.js";

const PLAY_ON = "fivefold-play-on";
const PANEL = "fivefold-panel";

/** Images and clips one at a time, whole and in full size, with everything that is known of them. */
export class Lightbox extends Dialog {
  constructor(tiles) {
    const image = el("img", { alt: "", draggable: false });
    const clip = el("video", { playsInline: true, preload: "auto" });
    const words = el("span", { className: "words", role: "status" });
    const top = el("div", { className: "top" }, words);
    const sorry = el("p", { className: "sorry", role: "alert", hidden: true });
    const stage = el("div", { className: "stage" }, image, clip, sorry);
    const player = new Player();
    const main = el("div", { className: "main" }, top, stage, player.node);
    const details = new Details(tiles, "h2");
    const panel = el("aside", { className: "panel", "aria-label": _("Details"), hidden: true }, details.node);
    super({ className: "lightbox", "aria-label": _("Viewer"), tabIndex: -1 }, main, panel);
    Object.assign(this, { tiles, image, clip, words, top, sorry, stage, player, main, details, panel });
    this.build();
    this.listen();
  }

  build() {
    const toggle = (name, label, act) => iconButton(name, label, act, { "aria-pressed": false });
    this.stars = stars((rating) => this.tiles.rate(this.item, rating));
    this.heart = heart(() => this.tiles.favour(this.item));
    this.download = el("a", { className: "icon-button", download: "", title: _("Download") }, icon("download"));
    this.info = toggle("info", _("Details"), () => this.showPanel(this.panel.hidden));
    this.playOn = toggle("onward", _("Play the next one when a clip ends"), () => this.setPlayOn(!this.playsOn));
    this.full = iconButton("fullscreen", _("Full screen"), () => this.toggleFull(), { className: "wide-only" });
    this.smaller = iconButton("minus", _("Zoom out"), () => this.zoom.by(0.7, this.stage), { className: "wide-only" });
    this.larger = iconButton("plus", _("Zoom in"), () => this.zoom.by(1.4, this.stage), { className: "wide-only" });
    this.top.append(this.stars, this.heart, this.playOn, this.smaller, this.larger, this.full, this.download, this.info, closeButton(() => this.node));
    this.previous = iconButton("previous", _("Previous"), () => this.step(-1), { className: "previous" });
    this.next = iconButton("next", _("Next"), () => this.step(1), { className: "next" });
    this.stage.append(this.previous, this.next);
    this.setPlayOn(recall("localStorage", PLAY_ON) !== "no");
    this.zoom = new Zoom({
      targets: () => [this.image, this.clip],
      swiped: (by) => this.step(by),
      dismissed: () => this.node.close(),
      zoomed: (scale) => this.stage.classList.toggle("zoomed", scale > 1),
    });
    this.zoom.watch(this.stage);
  }

  listen() {
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.stage.addEventListener("click", (event) => {
      if (event.target === this.clip && !this.zoom.dragged) this.player.toggle();
      if (event.target === this.stage && !this.zoom.dragged) this.node.close();
    });
    this.clip.addEventListener("error", () => { if (this.clip.hasAttribute("src")) this.apologise(this.item.message || _("This clip cannot be played at the moment.")); });
    this.image.addEventListener("error", () => { if (this.image.hasAttribute("src")) this.apologise(this.item.message || _("This image cannot be shown at the moment.")); });
    // The preview stands in until then; it must not shine through what is transparent.
    this.image.addEventListener("load", () => { this.image.style.background = ""; });
    this.player.ended = () => { if (this.playsOn && this.items.length > 1) this.step(1); };
  }

  /** Show an item among those that `tiles.list()` returns. */
  open(item, opener) {
    this.item = null;
    this.show(opener);
    this.showPanel(recall("localStorage", PANEL) === "open" && innerWidth >= 900);
    this.put(item);
    this.node.focus();
  }

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
    return this.items.findIndex((each) => each.id === this.item.id);
  }

  async step(by) {
    let { items } = this;
    const to = this.index + by;
    if (to >= items.length && (await this.tiles.more())) items = this.items;
    if (this.node.open) this.put(items[(to + items.length) % items.length]);
  }

  put(item) {
    const clip = item.kind === "video";
    this.zoom.reset();
    this.item = item;
    this.sorry.hidden = true;
    this.image.hidden = clip;
    this.clip.hidden = !clip;
    if (clip) {
      this.image.removeAttribute("src");
      this.clip.poster = at(item.poster);
      this.clip.src = at(item.original);
      this.clip.setAttribute("aria-label", item.alt);
      this.clip.width = item.width;
      this.clip.height = item.height;
    } else {
      this.clip.removeAttribute("src");
      this.clip.load();
      this.image.style.background = `center / contain no-repeat url("${at(item.preview)}")`;
      this.image.width = item.width;
      this.image.height = item.height;
      this.image.src = at(item.original);
      this.image.alt = item.alt;
    }
    this.player.attach(clip ? [this.clip] : []);
    if (clip) this.player.start();
    this.playOn.hidden = !clip;
    this.tell();
    this.preload();
  }

  /** Bring everything that is said of the item up to date. */
  tell() {
    const { item, items, index } = this;
    const total = Math.max(this.tiles.total(), items.length);
    setText(this.words, [_("{number} of {total}", { number: index + 1, total }), item.facts, item.weight].filter(Boolean).join(" · "));
    this.download.href = at(item.download);
    this.download.setAttribute("aria-label", _("Download {name}", { name: item.name }));
    this.previous.hidden = this.next.hidden = total < 2;
    this.stars.hidden = this.heart.hidden = !item.owned;
    if (item.owned) { this.stars.show(item.rating); this.heart.show(item); }
    this.details.show(item);
  }

  /** Something about items has changed: ours may be another now, or gone. */
  changed(items, gone, index) {
    if (!this.node.open) return;
    if (gone.includes(this.item.id)) {
      const left = this.items;
      if (left.length) this.put(left[Math.min(index, left.length - 1)]);
      else this.node.close();
      return;
    }
    this.item = items.find((each) => each.id === this.item.id) ?? this.item;
    this.tell();
  }

  /** Have the neighbours' previews at hand. Not the files: that would be logged as a look at them. */
  preload() {
    const { items, index } = this;
    this.ahead = [index - 1, index + 1].map((at) => items[at]).filter(Boolean).map((each) => el("img", { src: each.kind === "video" ? each.poster : each.preview }));
    if (index >= items.length - 5) this.tiles.more();
  }

  apologise(sentence) {
    setText(this.sorry, sentence);
    this.sorry.hidden = false;
  }

  key(event) {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(target)) return;
    const onButton = target.closest("button, a")?.matches(":focus-visible");
    const acts = {
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      " ": onButton ? null : () => this.player.toggle(),
      i: () => this.showPanel(this.panel.hidden),
      d: () => this.download.click(),
      "+": () => this.zoom.by(1.4, this.stage),
      "=": () => this.zoom.by(1.4, this.stage),
      "-": () => this.zoom.by(0.7, this.stage),
      ",": () => this.player.step(-1),
      ".": () => this.player.step(1),
    };
    const act = Object.hasOwn(acts, key) ? acts[key] : this.tiles.shortcut(key, this.item, this.node);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  showPanel(open) {
    this.panel.hidden = !open;
    this.info.setAttribute("aria-pressed", open);
    remember("localStorage", PANEL, open ? "open" : "closed");
    if (!open) this.details.keep();
  }

  setPlayOn(on) {
    this.playsOn = on;
    this.playOn.setAttribute("aria-pressed", on);
    remember("localStorage", PLAY_ON, on ? "yes" : "no");
  }

  toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.main.requestFullscreen?.().catch(() => {});
  }
}
