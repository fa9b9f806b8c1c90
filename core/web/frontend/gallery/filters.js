import { el, keepFocus, setText } from "../kit/dom.js";
import { _, language, ngettext } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";

const KINDS = ["", "image", "video"];
const TYPING_MS = 300;

/** What is looked for: the search box, the kinds, the filters, the order. */
export class Filters {
  /** `apply(changes)` is called with what changed of the query. */
  constructor(apply) {
    this.query = {};
    // What is being typed counts, too, whatever else is chosen before it was applied by itself.
    this.apply = (changes) => { clearTimeout(this.timer); apply({ q: this.search.value.trim(), ...changes }); };
    this.look = apply;
    this.search = el("input", { type: "search", placeholder: _("Search in prompts"), "aria-label": _("Search in prompts"), enterKeyHint: "search" });
    this.search.addEventListener("input", () => { clearTimeout(this.timer); this.timer = setTimeout(() => this.typed(), TYPING_MS); });
    this.search.addEventListener("keydown", ({ key }) => { if (key === "Enter") this.typed(); });
    this.kinds = el("div", { className: "kinds", role: "group", "aria-label": _("Kind") }, ...KINDS.map((kind) => this.kind(kind)));
    this.sort = this.select("sort", _("Order"), [["", _("Newest first")], ["oldest", _("Oldest first")], ["rating", _("Best rated first")]]);
    this.open = el("button", { type: "button", className: "button slim", "aria-expanded": false, on: { click: () => this.showPanel(this.panel.hidden) } }, icon("filter"), el("span", { className: "text", text: _("Filters") }));
    this.build();
    this.chips = el("div", { className: "active", role: "group", "aria-label": _("Active filters"), hidden: true });
  }

  build() {
    const date = (name, label) => {
      // While a year is typed, there are years of one digit.
      const field = el("input", { type: "date", min: "2000-01-01", on: { change: () => { if (field.validity.valid) this.apply({ [name]: field.value }); } } });
      return [name, label, field];
    };
    const stars = [["", _("Any")], ...[1, 2, 3, 4].map((count) => [String(count), ngettext("{count} star or more", "{count} stars or more", count)]), ["5", _("5 stars")]];
    const fields = [
      ["provider", _("Made by"), this.select("provider", _("Made by"))],
      ["model", _("Model"), this.select("model", _("Model"))],
      ["ratio", _("Ratio"), this.select("ratio", _("Ratio"))],
      ["collection", _("Collection"), this.select("collection", _("Collection"))],
      ["rating", _("Rating"), this.select("rating", _("Rating"), stars)],
      date("from", _("From")),
      date("to", _("To")),
    ];
    this.fields = new Map(fields.map(([name, label, field]) => [name, { label, field }]));
    this.favourite = el("input", { type: "checkbox", on: { change: () => this.apply({ favourite: this.favourite.checked ? "1" : "" }) } });
    this.panel = el("div", { className: "panel", id: "filters", hidden: true },
      ...fields.map(([, label, field]) => el("label", {}, el("span", { text: label }), field)),
      el("label", { className: "check" }, this.favourite, el("span", { text: _("Favourites only") })));
    this.open.setAttribute("aria-controls", this.panel.id);
  }

  kind(kind) {
    const words = { "": _("All"), image: _("Images"), video: _("Videos") };
    const button = el("button", { type: "button", "aria-pressed": false, on: { click: () => this.apply({ kind }) } }, el("span", { text: words[kind] }), el("span", { className: "count" }));
    button.dataset.kind = kind;
    return button;
  }

  select(name, label, options = [["", _("Any")]]) {
    const field = el("select", { "aria-label": label, on: { change: () => this.apply({ [name]: field.value }) } });
    offer(field, options, "");
    return field;
  }

  typed() {
    clearTimeout(this.timer);
    const q = this.search.value.trim();
    if (q !== (this.query.q ?? "")) this.look({ q });
  }

  showPanel(open) {
    this.panel.hidden = !open;
    this.open.setAttribute("aria-expanded", open);
  }

  /** Show a query as it stands. */
  show(query) {
    this.query = query;
    if (this.search.value.trim() !== (query.q ?? "")) this.search.value = query.q ?? "";
    for (const button of this.kinds.children) button.setAttribute("aria-pressed", button.dataset.kind === (query.kind ?? ""));
    this.sort.value = query.sort ?? "";
    this.favourite.checked = Boolean(query.favourite);
    for (const [name, { field }] of this.fields) {
      const value = query[name] ?? "";
      if (value && field.tagName === "SELECT" && ![...field.options].some((each) => each.value === value)) field.append(el("option", { value, text: value }));
      field.value = value;
    }
    this.showChips();
  }

  showChips() {
    const chips = [];
    const chip = (text, changes) => chips.push(el("button", { type: "button", className: "chip", title: _("Remove this filter"), on: { click: () => this.apply(changes) } },
      el("span", { dir: "auto", text }), icon("close"), el("span", { className: "unseen", text: _("Remove this filter") })));
    const { query } = this;
    if (query.q) chip(_("“{words}”", { words: query.q }), { q: "" });
    for (const [name, { label, field }] of this.fields) {
      if (!query[name]) continue;
      const text = field.tagName === "SELECT" ? field.selectedOptions[0]?.dataset.name ?? query[name] : new Date(`${query[name]}T12:00`).toLocaleDateString(language(), { dateStyle: "medium" });
      chip(`${label}: ${text}`, { [name]: "" });
    }
    if (query.favourite) chip(_("Favourites"), { favourite: "" });
    if (query.job) chip(_("One prompt only"), { job: "" });
    const count = chips.length - Boolean(query.q);
    this.open.classList.toggle("on", count > 0);
    setText(this.open.querySelector(".text"), count ? _("Filters ({count})", { count }) : _("Filters"));
    if (chips.length) chips.push(el("button", { type: "button", className: "plain", text: _("Clear all"), on: { click: () => this.clear() } }));
    keepFocus(this.chips, () => this.chips.replaceChildren(...chips), () => this.search);
    this.chips.hidden = !chips.length;
  }

  clear() {
    this.apply(Object.fromEntries(["q", "job", "favourite", "kind", ...this.fields.keys()].map((name) => [name, ""])));
  }

  /** Whether anything is looked for but all of it. */
  get narrow() {
    return ["q", "job", "favourite", "kind", ...this.fields.keys()].some((name) => this.query[name]);
  }

  /** Offer what there is to choose from. */
  offer({ counts, providers, models, ratios, collections }) {
    const numbers = { "": counts.image + counts.video, ...counts };
    for (const button of this.kinds.children) setText(button.querySelector(".count"), (numbers[button.dataset.kind] ?? 0).toLocaleString(language()));
    for (const [name, found] of Object.entries({ provider: providers, model: models, ratio: ratios, collection: collections })) {
      const { field } = this.fields.get(name);
      const options = found.map((each) => [each.name, each.title ?? each.name, each.count]);
      const chosen = this.query[name] ?? "";
      if (chosen && !options.some(([value]) => value === chosen)) options.push([chosen, chosen, 0]);
      offer(field, [["", _("Any")], ...options], chosen);
      field.parentElement.hidden = options.length < 1;
    }
    this.showChips();
  }
}

function offer(field, options, chosen) {
  field.replaceChildren(...options.map(([value, text, count]) => {
    const option = el("option", { value, text: count === undefined ? text : `${text} (${count.toLocaleString(language())})` });
    option.dataset.name = text;
    return option;
  }));
  field.value = chosen;
}
