import { closeButton, copyText, Dialog } from "../kit/dialogs.js";
import { el, iconButton, keepFocus, setText } from "../kit/dom.js";
import { _, ngettext } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";

const NOTE_MS = 700; // after the last key
const NOTE_CHARACTERS = 2_000;

/** Everything about one item: how it was made, and what its owner makes of it. */
export class Details {
  /** `level`: the tag of its headings. */
  constructor(tiles, level) {
    this.tiles = tiles;
    const heading = (text) => el(level, { text });
    this.prompt = el("p", { className: "prompt", dir: "auto" });
    this.copy = el("button", { type: "button", className: "plain", on: { click: () => this.copyPrompt() } }, icon("copy"), _("Copy prompt"));
    this.stars = stars((rating) => this.tiles.rate(this.item, rating));
    this.heart = heart(() => this.tiles.favour(this.item));
    this.acts = el("div", { className: "acts" });
    this.chips = el("ul", { className: "chips" });
    this.field = el("input", { type: "text", maxLength: 60, required: true, autocomplete: "off", placeholder: _("Add to a collection"), "aria-label": _("Add to a collection") });
    this.names = el("datalist", { id: `collections-${level}` });
    this.field.setAttribute("list", this.names.id);
    this.form = el("form", {}, this.field, this.names, el("button", { type: "submit", className: "button", text: _("Add") }));
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.collect(); });
    this.field.addEventListener("focus", () => this.suggest());
    this.note = el("textarea", { rows: 3, maxLength: NOTE_CHARACTERS, "aria-label": _("Note"), placeholder: _("A note to yourself") });
    this.note.addEventListener("input", () => { setText(this.kept, ""); clearTimeout(this.timer); this.timer = setTimeout(() => this.keep(), NOTE_MS); });
    this.note.addEventListener("change", () => this.keep());
    this.kept = el("span", { className: "kept", role: "status" });
    this.list = el("dl", {});
    this.own = [
      el("div", { className: "marks" }, this.stars, this.heart),
      heading(_("Collections")), this.chips, this.form,
      el("div", { className: "line" }, heading(_("Note")), this.kept), this.note,
    ];
    this.node = el("div", { className: "details" }, this.prompt, this.copy, this.acts, ...this.own, heading(_("How it was made")), this.list);
  }

  /** Show an item; what is being typed about the same one stays. */
  show(item) {
    const same = this.item?.id === item.id;
    if (!same) this.keep();
    this.item = item;
    setText(this.prompt, item.prompt);
    this.own.forEach((node) => { node.hidden = !item.owned; });
    const [, ...facts] = item.made; // the first is the prompt
    this.list.replaceChildren(...facts.map(([label, text]) => el("div", {}, el("dt", { text: label }), el("dd", { text, dir: "auto" }))));
    const entries = item.state === "done" ? this.tiles.entries(item) : [];
    keepFocus(this.acts, () => this.acts.replaceChildren(...entries), () => this.copy);
    if (!item.owned) return;
    this.stars.show(item.rating);
    this.heart.show(item);
    keepFocus(this.chips, () => this.chips.replaceChildren(...item.collections.map((name) => this.chip(name))), () => this.field);
    if (same && this.dirty) return;
    this.note.value = this.saved = item.note;
    if (!same) { setText(this.kept, ""); this.field.value = ""; }
  }

  /** Whether something was typed that is not stored yet. */
  get dirty() {
    return this.note.value !== this.saved;
  }

  chip(name) {
    return el("li", { className: "chip" }, el("span", { dir: "auto", text: name }),
      iconButton("close", _("Take out of {name}", { name }), () => this.tiles.change([this.item], { uncollect: name })));
  }

  async collect() {
    const name = this.field.value.trim();
    if (name && (await this.tiles.change([this.item], { collect: name }))) this.field.value = "";
  }

  async suggest() {
    const names = await this.tiles.collections();
    this.names.replaceChildren(...names.map((name) => el("option", { value: name })));
  }

  /** Store the note as it stands. */
  async keep() {
    clearTimeout(this.timer);
    const { item, note } = this;
    if (!item?.owned || !this.dirty) return;
    const before = this.saved;
    this.saved = note.value;
    const done = await this.tiles.change([item], { note: note.value });
    if (this.item.id !== item.id) return;
    if (done) setText(this.kept, _("Saved"));
    else this.saved = before;
  }

  async copyPrompt() {
    const done = await copyText(this.item.prompt, this.node);
    this.tiles.snack.say(done ? _("Copied") : _("This browser does not let Fivefold copy; select the text instead."));
  }
}

/** The same as a dialog of its own. */
export class Sheet extends Dialog {
  constructor(tiles) {
    const title = el("h2", { id: "sheet-title" });
    const details = new Details(tiles, "h3");
    super({ className: "sheet", "aria-labelledby": title.id }, el("div", { className: "top" }, title, closeButton(() => this.node)), details.node);
    Object.assign(this, { title, details });
  }

  open(item, opener) {
    setText(this.title, _("How {name} was made", { name: item.name }));
    this.details.show(item);
    this.show(opener);
  }

  closed() {
    this.details.keep();
    super.closed();
  }
}

/** Five stars to give; a click on the ones that are given takes them back. */
export function stars(act) {
  const buttons = [1, 2, 3, 4, 5].map((number) => {
    const button = iconButton("star", ngettext("{count} star", "{count} stars", number), (event) => {
      event.stopPropagation();
      act(node.rating === number ? 0 : number);
    });
    return button;
  });
  const node = el("div", { className: "stars", role: "group", "aria-label": _("Rating") }, ...buttons);
  node.show = (rating) => {
    node.rating = rating;
    buttons.forEach((button, index) => {
      button.classList.toggle("lit", index < rating);
      button.setAttribute("aria-pressed", index + 1 === rating);
    });
  };
  return node;
}

export function heart(act) {
  const button = iconButton("heart", _("Favourite"), act, { className: "heart", "aria-pressed": false });
  button.show = (item) => {
    button.setAttribute("aria-pressed", Boolean(item.favourite));
    button.setAttribute("aria-label", _("Favourite: {name}", { name: item.name }));
  };
  return button;
}
