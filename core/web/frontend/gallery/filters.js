// @ts-check
/** @import { Facet, Facets, Query } from "../types" */
/** What is looked for: the search box, the kinds, the filters, the order. */
import { el, find, keepFocus, setText } from "../kit/dom.js";
import { _, language, ngettext } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";

const KINDS = ["", "image", "video"];
const TYPING_MS = 300;

/** @typedef {[value: string, text: string, count?: number]} Option */

/**
 * @typedef {object} Field
 * @property {string} label
 * @property {HTMLSelectElement | HTMLInputElement} field
 */

export class Filters {
  /** @param {(changes: Query) => void} look is called with what changed of the query */
  constructor(look) {
    this.look = look;
    /** @type {Query} */
    this.query = {};
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    const search = _("Search in prompts");
    this.search = el("input", { type: "search", placeholder: search, "aria-label": search, enterKeyHint: "search" });
    this.search.addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.typed(), TYPING_MS);
    });
    this.search.addEventListener("keydown", ({ key }) => {
      if (key === "Enter") this.typed();
    });
    this.kindButtons = KINDS.map((kind) => this.kind(kind));
    this.kinds = el("div", { className: "kinds", role: "group", "aria-label": _("Kind") }, ...this.kindButtons);
    this.sort = this.select("sort", _("Order"), [
      ["", _("Newest first")],
      ["oldest", _("Oldest first")],
      ["rating", _("Best rated first")],
    ]);
    this.fields = this.makeFields();
    const favourite = { change: () => this.apply({ favourite: this.favourite.checked ? "1" : "" }) };
    this.favourite = el("input", { type: "checkbox", on: favourite });
    this.panel = el(
      "div",
      { className: "panel", id: "filters", hidden: true },
      ...[...this.fields.values()].map(({ label, field }) => el("label", {}, el("span", { text: label }), field)),
      el("label", { className: "check" }, this.favourite, el("span", { text: _("Favourites only") })),
    );
    this.openText = el("span", { className: "text", text: _("Filters") });
    const opens = { "aria-expanded": false, "aria-controls": this.panel.id, on: { click: () => this.togglePanel() } };
    this.open = el("button", { type: "button", className: "button slim", ...opens }, icon("filter"), this.openText);
    this.chips = el("div", { className: "active", role: "group", "aria-label": _("Active filters"), hidden: true });
  }

  makeFields() {
    /** @type {Option[]} */
    const stars = [["", _("Any")]];
    for (const count of [1, 2, 3, 4])
      stars.push([String(count), ngettext("{count} star or more", "{count} stars or more", count)]);
    stars.push(["5", _("5 stars")]);
    /** @type {Map<string, Field>} */
    const fields = new Map();
    /** @type {(name: string, label: string, options?: Option[]) => void} */
    const choice = (name, label, options) => {
      fields.set(name, { label, field: this.select(name, label, options) });
    };
    choice("provider", _("Made by"));
    choice("model", _("Model"));
    choice("ratio", _("Ratio"));
    choice("collection", _("Collection"));
    choice("rating", _("Rating"), stars);
    fields.set("from", { label: _("From"), field: this.date("from") });
    fields.set("to", { label: _("To"), field: this.date("to") });
    return fields;
  }

  /** @param {string} name */
  date(name) {
    const change = () => {
      if (field.validity.valid) this.apply({ [name]: field.value });
    };
    // While a year is typed, there are years of one digit.
    const field = el("input", { type: "date", min: "2000-01-01", on: { change } });
    return field;
  }

  /** @param {string} kind */
  kind(kind) {
    /** @type {Record<string, string>} */
    const words = { "": _("All"), image: _("Images"), video: _("Videos") };
    const props = { type: "button", "aria-pressed": false, "data-kind": kind };
    const count = el("span", { className: "count" });
    return el(
      "button",
      { ...props, on: { click: () => this.apply({ kind }) } },
      el("span", { text: words[kind] }),
      count,
    );
  }

  /**
   * @param {string} name
   * @param {string} label
   * @param {Option[]} options
   */
  select(name, label, options = [["", _("Any")]]) {
    const change = () => this.apply({ [name]: field.value });
    const field = el("select", { "aria-label": label, on: { change } });
    offer(field, options, "");
    return field;
  }

  /**
   * Look for what has changed, and for what is being typed, whatever else is chosen before it was applied by itself.
   * @param {Query} changes
   */
  apply(changes) {
    clearTimeout(this.timer);
    this.look({ q: this.search.value.trim(), ...changes });
  }

  typed() {
    clearTimeout(this.timer);
    const q = this.search.value.trim();
    if (q !== (this.query.q ?? "")) this.look({ q });
  }

  togglePanel() {
    this.panel.hidden = !this.panel.hidden;
    this.open.setAttribute("aria-expanded", String(!this.panel.hidden));
  }

  /**
   * Show a query as it stands.
   * @param {Query} query
   */
  show(query) {
    this.query = query;
    if (this.search.value.trim() !== (query.q ?? "")) this.search.value = query.q ?? "";
    for (const button of this.kindButtons)
      button.setAttribute("aria-pressed", String(button.dataset.kind === (query.kind ?? "")));
    this.sort.value = query.sort ?? "";
    this.favourite.checked = Boolean(query.favourite);
    for (const [name, { field }] of this.fields) {
      const value = query[name] ?? "";
      if (value && field instanceof HTMLSelectElement && ![...field.options].some((each) => each.value === value))
        field.append(el("option", { value, text: value }));
      field.value = value;
    }
    this.showChips();
  }

  showChips() {
    const { query } = this;
    /** @type {HTMLElement[]} */
    const chips = [];
    /** @type {(text: string, changes: Query) => void} */
    const chip = (text, changes) => chips.push(this.chip(text, changes));
    if (query.q) chip(_("“{words}”", { words: query.q }), { q: "" });
    for (const [name, { label, field }] of this.fields) {
      const value = query[name];
      if (value) chip(`${label}: ${chosenText(field, value)}`, { [name]: "" });
    }
    if (query.favourite) chip(_("Favourites"), { favourite: "" });
    if (query.job) chip(_("One prompt only"), { job: "" });
    const count = chips.length - (query.q ? 1 : 0);
    this.open.classList.toggle("on", count > 0);
    setText(this.openText, count ? _("Filters ({count})", { count }) : _("Filters"));
    const clear = { type: "button", className: "plain", text: _("Clear all"), on: { click: () => this.clear() } };
    if (chips.length) chips.push(el("button", clear));
    keepFocus(
      this.chips,
      () => this.chips.replaceChildren(...chips),
      () => this.search,
    );
    this.chips.hidden = !chips.length;
  }

  /**
   * @param {string} text
   * @param {Query} changes what a click on it changes
   */
  chip(text, changes) {
    const remove = _("Remove this filter");
    const props = { type: "button", className: "chip", title: remove, on: { click: () => this.apply(changes) } };
    const unseen = el("span", { className: "unseen", text: remove });
    return el("button", props, el("span", { dir: "auto", text }), icon("close"), unseen);
  }

  /** The names of the query that narrow it down. */
  get names() {
    return ["q", "job", "favourite", "kind", ...this.fields.keys()];
  }

  clear() {
    this.apply(Object.fromEntries(this.names.map((name) => [name, ""])));
  }

  /** Whether anything is looked for but all of it. */
  get narrow() {
    return this.names.some((name) => this.query[name]);
  }

  /**
   * Offer what there is to choose from.
   * @param {Facets} facets
   */
  offer({ counts, providers, models, ratios, collections }) {
    /** @type {Record<string, number>} */
    const numbers = { "": counts.image + counts.video, image: counts.image, video: counts.video };
    for (const button of this.kindButtons) {
      const number = numbers[button.dataset.kind ?? ""] ?? 0;
      setText(find(button, ".count"), number.toLocaleString(language()));
    }
    const found = { provider: providers, model: models, ratio: ratios, collection: collections };
    for (const [name, facets] of Object.entries(found)) this.offerField(name, facets);
    this.showChips();
  }

  /**
   * @param {string} name
   * @param {Facet[]} facets
   */
  offerField(name, facets) {
    const field = this.fields.get(name)?.field;
    if (!(field instanceof HTMLSelectElement)) return;
    /** @type {Option[]} */
    const options = facets.map((each) => [each.name, each.title ?? each.name, each.count]);
    const chosen = this.query[name] ?? "";
    if (chosen && !options.some(([value]) => value === chosen)) options.push([chosen, chosen, 0]);
    offer(field, [["", _("Any")], ...options], chosen);
    if (field.parentElement) field.parentElement.hidden = options.length < 1;
  }
}

/**
 * @param {HTMLSelectElement} field
 * @param {Option[]} options
 * @param {string} chosen
 */
function offer(field, options, chosen) {
  field.replaceChildren(
    ...options.map(([value, text, count]) => {
      const words = count === undefined ? text : `${text} (${count.toLocaleString(language())})`;
      return el("option", { value, text: words, "data-name": text });
    }),
  );
  field.value = chosen;
}

/**
 * What a field's value is called.
 * @param {HTMLSelectElement | HTMLInputElement} field
 * @param {string} value
 */
function chosenText(field, value) {
  if (field instanceof HTMLSelectElement) return field.selectedOptions[0]?.dataset.name ?? value;
  return new Date(`${value}T12:00`).toLocaleDateString(language(), { dateStyle: "medium" });
}
