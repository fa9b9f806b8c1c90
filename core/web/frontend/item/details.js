// @ts-check
/** @import { Item } from "../types" */
/** @import { Tiles } from "./tile.js" */
/** Everything about one item: how it was made, and what its owner makes of it. */
import { closeButton, Dialog } from "../kit/dialogs.js";
import { el, iconButton, keepFocus, setText } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";
import { Marks } from "./marks.js";

const NOTE_MS = 700; // after the last key
const NOTE_CHARACTERS = 2_000;

export class Details {
  /**
   * @param {Tiles} tiles
   * @param {"h2" | "h3"} level of its headings
   */
  constructor(tiles, level) {
    this.tiles = tiles;
    /** @type {Item | undefined} */
    this.item = undefined;
    this.savedNote = "";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.prompt = el("p", { className: "prompt", dir: "auto" });
    const copy = { type: "button", className: "plain", on: { click: () => this.copyPrompt() } };
    this.copy = el("button", copy, icon("copy"), _("Copy prompt"));
    this.marks = new Marks({
      rate: (rating) => this.item && tiles.actions.rate(this.item, rating),
      favour: () => this.item && tiles.actions.favour(this.item),
    });
    this.acts = el("div", { className: "acts" });
    this.chips = el("ul", { className: "chips" });
    this.names = el("datalist", { id: `collections-${level}` });
    this.field = this.makeField();
    const add = el("button", { type: "submit", className: "button", text: _("Add") });
    const form = el("form", {}, this.field, this.names, add);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.collect();
    });
    this.note = this.makeNote();
    this.kept = el("span", { className: "kept", role: "status" });
    this.list = el("dl", {});
    const heading = (/** @type {string} */ text) => el(level, { text });
    this.own = [
      el("div", { className: "marks" }, this.marks.stars, this.marks.heart),
      heading(_("Collections")),
      this.chips,
      form,
      el("div", { className: "line" }, heading(_("Note")), this.kept),
      this.note,
    ];
    const made = heading(_("How it was made"));
    this.node = el("div", { className: "details" }, this.prompt, this.copy, this.acts, ...this.own, made, this.list);
  }

  makeField() {
    const words = _("Add to a collection");
    const props = { type: "text", maxLength: 60, required: true, autocomplete: "off" };
    const field = el("input", { ...props, placeholder: words, "aria-label": words });
    field.setAttribute("list", this.names.id);
    field.addEventListener("focus", () => this.suggest());
    return field;
  }

  makeNote() {
    const props = {
      rows: 3,
      maxLength: NOTE_CHARACTERS,
      "aria-label": _("Note"),
      placeholder: _("A note to yourself"),
    };
    const note = el("textarea", props);
    note.addEventListener("input", () => {
      setText(this.kept, "");
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.keep(), NOTE_MS);
    });
    note.addEventListener("change", () => this.keep());
    return note;
  }

  /**
   * Show an item; what is being typed about the same one stays.
   * @param {Item} item
   */
  show(item) {
    const same = this.item?.id === item.id;
    if (!same) this.keep();
    this.item = item;
    setText(this.prompt, item.prompt);
    for (const node of this.own) node.hidden = !item.owned;
    const [, ...facts] = item.made; // the first is the prompt
    this.list.replaceChildren(
      ...facts.map(([label, text]) => el("div", {}, el("dt", { text: label }), el("dd", { text, dir: "auto" }))),
    );
    const entries = item.state === "done" ? this.tiles.entries(item) : [];
    keepFocus(
      this.acts,
      () => this.acts.replaceChildren(...entries),
      () => this.copy,
    );
    if (!item.owned) return;
    this.marks.show(item);
    keepFocus(
      this.chips,
      () => this.chips.replaceChildren(...item.collections.map((name) => this.chip(item, name))),
      () => this.field,
    );
    if (same && this.dirty) return;
    this.note.value = this.savedNote = item.note;
    if (same) return;
    setText(this.kept, "");
    this.field.value = "";
  }

  /** Whether something was typed that is not stored yet. */
  get dirty() {
    return this.note.value !== this.savedNote;
  }

  /**
   * @param {Item} item
   * @param {string} name of a collection that it is in
   */
  chip(item, name) {
    const leave = () => this.tiles.actions.change([item], { uncollect: name });
    const text = el("span", { dir: "auto", text: name });
    return el("li", { className: "chip" }, text, iconButton("close", _("Take out of {name}", { name }), leave));
  }

  async collect() {
    const name = this.field.value.trim();
    if (name && this.item && (await this.tiles.actions.change([this.item], { collect: name }))) this.field.value = "";
  }

  async suggest() {
    const names = await this.tiles.actions.collections();
    this.names.replaceChildren(...names.map((name) => el("option", { value: name })));
  }

  /** Store the note as it stands. */
  async keep() {
    clearTimeout(this.timer);
    const { item, note } = this;
    if (!item?.owned || !this.dirty) return;
    const before = this.savedNote;
    this.savedNote = note.value;
    const done = await this.tiles.actions.change([item], { note: note.value });
    if (this.item?.id !== item.id) return;
    if (done) setText(this.kept, _("Saved"));
    else this.savedNote = before;
  }

  copyPrompt() {
    if (this.item) this.tiles.actions.copyPrompt(this.item, this.node);
  }
}

/** The same as a dialog of its own. */
export class Sheet extends Dialog {
  /** @param {Tiles} tiles */
  constructor(tiles) {
    const title = el("h2", { id: "sheet-title" });
    const details = new Details(tiles, "h3");
    const top = el("div", { className: "top" }, title);
    super({ className: "sheet", "aria-labelledby": title.id }, top, details.node);
    top.append(closeButton(() => this.node));
    this.title = title;
    this.details = details;
  }

  /**
   * @param {Item} item
   * @param {HTMLElement} opener
   */
  open(item, opener) {
    setText(this.title, _("How {name} was made", { name: item.name }));
    this.details.show(item);
    this.show(opener);
  }

  /** @override */
  closed() {
    this.details.keep();
    super.closed();
  }
}
