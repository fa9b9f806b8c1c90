// @ts-check
/** @import { Item } from "../types" */
/** Two to four items side by side: zoomed and panned together, clips running as one. */
import { at } from "../kit/address.js";
import { closeButton, Dialog } from "../kit/dialogs.js";
import { el, find, iconButton, keepFocus, reconcile, setText } from "../kit/dom.js";
import { _, ngettext } from "../kit/i18n.js";
import { Player } from "./player.js";
import { Zoom } from "./zoom.js";

export const MOST_COMPARED = 4;
const TITLE_CHARACTERS = 300;

export class Compare extends Dialog {
  constructor() {
    const main = el("div", { className: "main" });
    super({ className: "lightbox compare", "aria-label": _("Compare"), tabIndex: -1 }, main);
    /** @type {Item[]} */
    this.items = [];
    this.panes = el("div", { className: "panes" });
    this.player = new Player();
    this.words = el("span", { className: "words" });
    this.zoom = new Zoom({
      targets: () => [.../** @type {NodeListOf<HTMLElement>} */ (this.panes.querySelectorAll(".media"))],
      zoomed: (scale) => this.panes.classList.toggle("zoomed", scale > 1),
    });
    const top = el(
      "div",
      { className: "top" },
      this.words,
      iconButton("minus", _("Zoom out"), () => this.zoomBy(0.7)),
      iconButton("plus", _("Zoom in"), () => this.zoomBy(1.4)),
      closeButton(() => this.node),
    );
    main.append(top, this.panes, this.player.node);
    this.player.ended = () => this.player.start(); // again from the start, all together
    this.node.addEventListener("keydown", (event) => this.key(event));
  }

  /**
   * @param {Item[]} items
   * @param {HTMLElement} opener
   */
  open(items, opener) {
    this.items = items.slice(0, MOST_COMPARED);
    this.show(opener);
    this.draw();
    this.node.focus();
  }

  /** @override */
  closed() {
    this.player.attach([]);
    for (const clip of this.panes.querySelectorAll("video")) {
      clip.removeAttribute("src");
      clip.load();
    }
    this.panes.replaceChildren();
    super.closed();
  }

  draw() {
    reconcile(
      this.panes,
      this.items,
      (item) => this.pane(item),
      () => {},
    );
    this.panes.dataset.count = String(this.items.length);
    setText(this.words, ngettext("Comparing {count} item", "Comparing {count} items", this.items.length));
    this.zoom.reset();
    this.player.attach([...this.panes.querySelectorAll("video")]);
    this.player.seek(0);
    this.player.start();
  }

  /** @param {Item} item */
  pane(item) {
    const area = el("div", { className: "area" }, item.kind === "video" ? video(item) : image(item));
    this.zoom.watch(area);
    const facts = [item.name, item.model, item.facts].filter(Boolean).join(" · ");
    const title = item.prompt.slice(0, TITLE_CHARACTERS);
    const caption = el(
      "div",
      { className: "caption" },
      el("span", { className: "prompt", dir: "auto", text: item.prompt, title }),
      el("span", { className: "facts-line", text: facts }),
    );
    const leaveOut = iconButton("close", _("Leave out {name}", { name: item.name }), () => this.leaveOut(item));
    return el("figure", { className: "pane" }, area, el("figcaption", {}, caption, leaveOut));
  }

  /** @param {Item} item */
  leaveOut(item) {
    this.items = this.items.filter((each) => each.id !== item.id);
    if (this.items.length < 2) this.node.close();
    else
      keepFocus(
        this.panes,
        () => this.draw(),
        () => this.node,
      );
  }

  /** @param {number} factor */
  zoomBy(factor) {
    this.zoom.by(factor, find(this.panes, ".area"));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    /** @type {Record<string, () => void>} */
    const acts = {
      " ": () => this.player.toggle(),
      ",": () => this.player.step(-1),
      ".": () => this.player.step(1),
      "+": () => this.zoomBy(1.4),
      "=": () => this.zoomBy(1.4),
      "-": () => this.zoomBy(0.7),
    };
    event.stopPropagation();
    const act = Object.hasOwn(acts, event.key) ? acts[event.key] : undefined;
    if (event.ctrlKey || event.metaKey || !act) return;
    const button = event.target instanceof Element && event.target.closest("button");
    if (event.key === " " && button && button.matches(":focus-visible")) return;
    event.preventDefault();
    act();
  }
}

/** @param {Item} item */
function video(item) {
  const props = { className: "media", preload: "auto", playsInline: true, "aria-label": item.alt };
  return el("video", { ...props, src: item.original, poster: item.poster });
}

/** @param {Item} item */
function image(item) {
  const picture = el("img", { className: "media", src: item.original, alt: item.alt, draggable: false });
  picture.style.background = `center / contain no-repeat url("${at(item.preview)}")`;
  picture.addEventListener("load", () => {
    picture.style.background = "";
  });
  return picture;
}
