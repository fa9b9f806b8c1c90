// @ts-check
/** The prompts that the user has sent before, to be used again. */
import { inLanguage } from "../kit/address.js";
import { el, focusedBeside, setText } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";

const ANSWER_MS = 10_000;
const LINE_CHARACTERS = 300;

export class EarlierPrompts {
  /** @param {(text: string) => void} take gets the one that is chosen */
  constructor(take) {
    this.take = take;
    this.index = -1; // of the prompt that the box shows; -1: none of these
    /** @type {string[] | undefined} */
    this.prompts = undefined;
    /** @type {string | undefined} */
    this.trouble = undefined;
    const opens = { "aria-expanded": "false", "aria-controls": "earlier-prompts" };
    const text = el("span", { text: _("Earlier prompts") });
    this.button = el("button", { type: "button", className: "quiet", ...opens }, icon("clock"), text);
    this.button.addEventListener("click", () => this.toggle());
    const search = _("Search in earlier prompts");
    this.search = el("input", { type: "search", placeholder: search, "aria-label": search });
    this.search.addEventListener("input", () => this.list());
    this.items = el("ul", {});
    this.empty = el("p", { className: "none", hidden: true });
    const label = { role: "group", "aria-label": _("Earlier prompts"), hidden: true };
    const parts = [this.search, this.items, this.empty];
    this.panel = el("div", { id: "earlier-prompts", className: "earlier", ...label }, ...parts);
    this.panel.addEventListener("keydown", (event) => this.key(event));
  }

  /** The prompt that the box shows out of the list, or undefined. */
  get shown() {
    return this.prompts?.[this.index];
  }

  async load() {
    if (this.prompts) return;
    const answer = await fetchPrompts("/prompts");
    this.prompts = answer.prompts;
    this.trouble = answer.detail;
  }

  /** Another one was made. */
  forget() {
    this.prompts = undefined;
    this.index = -1;
  }

  /**
   * Go to an older (1) or newer (-1) one and return it; beyond the newest there is the empty box.
   * @param {number} by
   */
  async step(by) {
    await this.load();
    if (!this.prompts?.length) return undefined;
    this.index = Math.min(Math.max(this.index + by, -1), this.prompts.length - 1);
    return this.index < 0 ? "" : this.prompts[this.index];
  }

  async toggle(open = Boolean(this.panel.hidden)) {
    if (open) await this.load();
    this.panel.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    if (!open) {
      this.button.focus();
      return;
    }
    this.search.value = "";
    this.list();
    this.search.focus();
  }

  list() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = (this.prompts ?? []).filter((text) => words.every((word) => text.toLowerCase().includes(word)));
    this.items.replaceChildren(...found.map((text) => el("li", {}, this.line(text))));
    this.empty.hidden = found.length > 0;
    const none = words.length
      ? _("None of them has these words.")
      : _("What you create is listed here, to be used again.");
    setText(this.empty, this.trouble ?? none);
  }

  /** @param {string} prompt */
  line(prompt) {
    const text = prompt.trim().replace(/\s+/g, " ").slice(0, LINE_CHARACTERS);
    return el("button", { type: "button", dir: "auto", text, on: { click: () => this.choose(prompt) } });
  }

  /** @param {string} prompt */
  choose(prompt) {
    this.index = this.prompts?.indexOf(prompt) ?? -1;
    this.toggle(false);
    this.take(prompt);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Escape") {
      event.stopPropagation();
      this.toggle(false);
      return;
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const places = [this.search, ...this.items.querySelectorAll("button")];
    const index = places.indexOf(/** @type {HTMLButtonElement} */ (focusedBeside(this.panel)));
    places[Math.min(Math.max(index + step, 0), places.length - 1)]?.focus();
  }
}

/**
 * Ask a route for prompts; where it does not answer, the result has a `detail` alone.
 * @param {string} path
 * @returns {Promise<{ prompts?: string[], prompt?: string, detail?: string }>}
 */
export async function fetchPrompts(path) {
  try {
    const answer = await fetch(inLanguage(path), { signal: AbortSignal.timeout(ANSWER_MS) });
    return await answer.json();
  } catch {
    return { detail: _("Fivefold does not answer at the moment. Please try again.") };
  }
}
