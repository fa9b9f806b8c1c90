/** Images one at a time, whole and in full size. */
class Lightbox {
  constructor() {
    this.image = el("img", { alt: "" });
    this.caption = el("span", { className: "words" });
    this.download = el("a", { className: "icon-button", download: "", title: "Download" }, icon("download"));
    const step = (by, name, text) => el("button", { type: "button", className: `icon-button ${name}`, title: text, "aria-label": text, on: { click: () => this.show(this.index + by) } }, icon(name));
    this.previous = step(-1, "previous", "Previous image");
    this.next = step(1, "next", "Next image");
    const close = el("button", { type: "button", className: "icon-button", title: "Close", "aria-label": "Close", on: { click: () => this.node.close() } }, icon("close"));
    this.node = el("dialog", { className: "lightbox", "aria-label": "Image" },
      el("div", { className: "top" }, this.caption, this.download, close),
      el("div", { className: "stage" }, this.previous, this.image, this.next));
    this.node.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by) { event.preventDefault(); this.show(this.index + by); }
    });
    this.node.addEventListener("click", (event) => {
      if (event.target === this.node || event.target.classList.contains("stage")) this.node.close();
    });
    this.node.addEventListener("close", () => {
      this.image.removeAttribute("src");
      document.documentElement.style.removeProperty("overflow");
      this.opener?.focus();
    });
  }

  open(items, index, opener) {
    this.items = items;
    this.opener = opener;
    document.documentElement.style.overflow = "hidden";
    this.node.showModal();
    this.show(index);
    this.node.focus();
  }

  show(index) {
    const { items } = this;
    this.index = (index + items.length) % items.length;
    const item = items[this.index];
    this.image.style.background = `center / contain no-repeat url("${item.preview}")`;
    this.image.width = item.width;
    this.image.height = item.height;
    this.image.src = item.original;
    this.image.alt = item.alt;
    setText(this.caption, `${this.index + 1} of ${items.length} · ${item.facts} · ${item.weight}`);
    this.download.href = item.download;
    this.download.setAttribute("aria-label", `Download ${item.name}`);
    this.previous.hidden = this.next.hidden = items.length < 2;
  }
}
