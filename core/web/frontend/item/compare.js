import { Player } from "./player.js";
import { Zoom } from "./zoom.js";
import { closeButton, Dialog } from "../kit/dialogs.js";
import { el, iconButton, keepFocus, reconcile, setText } from "../kit/dom.js";
import { _, ngettext } from "../kit/i18n.js";

export const MOST_COMPARED = 4;

/** Two to four items side by side: zoomed and panned together, clips running as one. */
export class Compare extends Dialog {
  constructor(tiles) {
    const panes = el("div", { className: "panes" });
    const player = new Player();
    const words = el("span", { className: "words" });
    const top = el("div", { className: "top" }, words);
    super({ className: "lightbox compare", "aria-label": _("Compare"), tabIndex: -1 }, el("div", { className: "main" }, top, panes, player.node));
    Object.assign(this, { tiles, panes, player, words });
    this.zoom = new Zoom({
      targets: () => [...panes.querySelectorAll(".media")],
      zoomed: (scale) => panes.classList.toggle("zoomed", scale > 1),
    });
    top.append(
      iconButton("minus", _("Zoom out"), () => this.zoomBy(0.7)),
      iconButton("plus", _("Zoom in"), () => this.zoomBy(1.4)),
      closeButton(() => this.node));
    player.ended = () => player.start(); // again from the start, all together
    this.node.addEventListener("keydown", (event) => this.key(event));
  }

  open(items, opener) {
    this.items = items.slice(0, MOST_COMPARED);
    this.show(opener);
    this.draw();
    this.node.focus();
  }

  closed() {
    this.player.attach([]);
    for (const clip of this.panes.querySelectorAll("video")) { clip.removeAttribute("src"); clip.load(); }
    this.panes.replaceChildren();
    super.closed();
  }

  draw() {
    reconcile(this.panes, this.items, (item) => this.pane(item), () => {});
    this.panes.dataset.count = this.items.length;
    setText(this.words, ngettext("Comparing {count} item", "Comparing {count} items", this.items.length));
    this.zoom.reset();
    this.player.attach([...this.panes.querySelectorAll("video")]);
    this.player.seek(0);
    this.player.start();
  }

  pane(item) {
    const media = item.kind === "video"
      ? el("video", { className: "media", src: item.original, poster: item.poster, preload: "auto", playsInline: true, "aria-label": item.alt })
      : el("img", { className: "media", src: item.original, alt: item.alt, draggable: false });
    if (item.kind === "image") {
      media.style.background = `center / contain no-repeat url("${item.preview}")`;
      media.addEventListener("load", () => { media.style.background = ""; });
    }
    const area = el("div", { className: "area" }, media);
    this.zoom.watch(area);
    const words = [item.name, item.model, item.facts].filter(Boolean).join(" · ");
    return el("figure", { className: "pane" }, area,
      el("figcaption", {},
        el("div", { className: "caption" }, el("span", { className: "prompt", dir: "auto", text: item.prompt, title: item.prompt.slice(0, 300) }), el("span", { className: "facts-line", text: words })),
        iconButton("close", _("Leave out {name}", { name: item.name }), () => this.leaveOut(item))));
  }

  leaveOut(item) {
    this.items = this.items.filter((each) => each.id !== item.id);
    if (this.items.length < 2) { this.node.close(); return; }
    keepFocus(this.panes, () => this.draw(), () => this.node);
  }

  zoomBy(factor) {
    this.zoom.by(factor, this.panes.querySelector(".area"));
  }

  key(event) {
    const acts = {
      " ": () => this.player.toggle(),
      ",": () => this.player.step(-1),
      ".": () => this.player.step(1),
      "+": () => this.zoomBy(1.4),
      "=": () => this.zoomBy(1.4),
      "-": () => this.zoomBy(0.7),
    };
    event.stopPropagation();
    if (event.ctrlKey || event.metaKey || !Object.hasOwn(acts, event.key)) return;
    if (event.key === " " && event.target.closest("button")?.matches(":focus-visible")) return;
    event.preventDefault();
    acts[event.key]();
  }
}
