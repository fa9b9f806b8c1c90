import { inLanguage } from "../kit/address.js";
import { component } from "../kit/component.js";
import { el, link, setText } from "../kit/dom.js";
import { _, language } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";


export default component(["pages/create_prompt.css"], (root, data) => new PromptBox(root, `${data.user}.${data.box}`));

const ADDRESS_CHARACTERS = 1500; // of a prompt, encoded; a longer one is kept in the tab alone
const NEAR = 0.8; // of what is allowed, from where on the length is shown
const ANSWER_MS = 10000;

class PromptBox {
  constructor(parent, name) {
    this.draft = new Draft(name);
    this.earlier = new Earlier((text) => this.write(text));
    this.path = location.pathname;
    this.area = el("textarea", { "aria-label": _("Prompt"), "aria-describedby": "prompt-length", rows: 4, dir: "auto", spellcheck: true,
      on: { input: () => this.typed(), keydown: (event) => this.key(event) } });
    this.length = el("p", { id: "prompt-length", className: "length", "aria-live": "polite" });
    this.surprise = el("button", { type: "button", className: "quiet", title: _("Write something that nobody has thought of into the box"),
      on: { click: () => this.surpriseMe() } }, icon("dice"), el("span", { text: _("Surprise me") }));
    this.vary = el("button", { type: "button", className: "quiet", on: { click: () => this.ask("vary") } },
      icon("similar"), el("span", { text: _("Suggest variations") }));
    this.expected = el("p", { className: "expected", "aria-live": "polite" });
    this.create = el("button", { type: "button", className: "button primary create", title: _("Ctrl or ⌘ with Enter does the same"), on: { click: () => this.ask("create") } });
    this.stay = el("input", { type: "checkbox", on: { change: () => this.ask("stay", { on: this.stay.checked }) } });
    this.staying = el("label", { className: "stay" }, this.stay, el("span", { text: _("Stay here after creating") }));
    this.said = el("p", { className: "said", role: "status" });
    this.frame = el("div", { className: "frame" }, this.area,
      el("div", { className: "tools" }, this.surprise, this.earlier.button, this.vary, this.length));
    this.root = el("div", { className: "ff prompt-box" }, this.frame, this.earlier.panel, this.said,
      el("div", { className: "sending" }, this.expected, this.staying, this.create));
    parent.append(this.root);
    if (this.draft.sent) this.arrived();
  }

  update(data, setTrigger) {
    this.data = data;
    this.send = (asked) => setTrigger("ask", JSON.stringify(asked));
    this.frame.hidden = !data.written;
    this.area.placeholder = data.placeholder;
    this.vary.hidden = !data.varies;
    if (data.token && data.token !== this.draft.token) this.draft.keep(data.prompt, data.token);
    if (this.area.value !== this.draft.text) this.area.value = this.draft.text;
    if (this.asked && data.heard >= this.asked.at) {
      this.asked = null;
      if (this.draft.sent) this.draft.keep(this.draft.text, this.draft.token); // refused
    }
    if (this.asked) this.send(this.asked); // a click that another one follows is dropped
    const creating = this.asked?.name === "create";
    this.create.disabled = creating;
    setText(this.create, creating ? _("Creating …") : data.button);
    setText(this.expected, data.expected);
    this.expected.classList.toggle("beyond", data.beyond);
    this.stay.checked = data.stay;
    this.say(data.sent);
    this.measure();
    this.address();
  }

  /** Empty the box where what is in it was ordered just before the page was left. */
  async arrived() {
    await this.earlier.load();
    if (!this.draft.sent || this.draft.text !== this.earlier.prompts?.[0]) return;
    this.area.value = "";
    this.typed();
  }

  say(sent) {
    if (this.told === sent?.id) return;
    this.told = sent?.id;
    this.said.replaceChildren(...(sent
      ? [icon("check"), el("span", { text: sent.text }), link(sent.href, () => this.ask("open", { on: sent.href }), { text: _("Watch it") })]
      : []));
    if (sent) this.earlier.forget();
  }

  ask(name, more = {}) {
    this.asked = { at: performance.timeOrigin + performance.now(), name, prompt: this.area.value, terms: this.data.terms, ...more };
    if (name === "create") {
      this.create.disabled = true;
      setText(this.create, _("Creating …"));
      this.draft.keep(this.area.value, this.draft.token, true);
    }
    this.send(this.asked);
  }

  key(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (!this.create.disabled) this.ask("create");
      return;
    }
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!this.area.value) this.earlier.at = -1;
    else if (this.area.value !== this.earlier.shown) return; // it is the cursor that is moved
    event.preventDefault();
    this.earlier.step(step).then((text) => text !== undefined && this.write(text));
  }

  /** Put a text into the box as if it had been typed. */
  write(text) {
    this.area.value = text;
    this.area.focus();
    this.area.setSelectionRange(text.length, text.length);
    this.typed();
  }

  typed() {
    this.draft.keep(this.area.value, this.draft.token);
    this.measure();
    clearTimeout(this.later);
    this.later = setTimeout(() => this.address(), 300); // browsers allow only so many a minute
  }

  async surpriseMe() {
    const answer = await asked(`/prompts/surprise?last=${encodeURIComponent(this.surprised ?? "")}`);
    if (answer.prompt) {
      this.surprised = answer.prompt;
      this.write(answer.prompt);
    } else setText(this.length, answer.detail);
  }

  /** Say how long the prompt is where that comes near what a model takes. */
  measure() {
    const text = this.area.value;
    const sizes = { "utf-16": text.length, characters: [...text].length };
    const shares = this.data.limits.map((limit) => ({ ...limit, has: sizes[limit.units], share: sizes[limit.units] / Math.max(limit.most, 1) }));
    const worst = shares.reduce((one, other) => (other.share > one.share ? other : one));
    const count = (number) => number.toLocaleString(language());
    this.length.classList.toggle("over", worst.share > 1);
    if (worst.share < NEAR) setText(this.length, "");
    else setText(this.length, _("{has} of {most} characters", { has: count(worst.has), most: count(worst.most) }));
  }

  /** Let the address name all that is chosen, so that a reload or a link brings it back. */
  address() {
    if (!this.root.isConnected || location.pathname !== this.path) return;
    const query = new URLSearchParams(this.data.address);
    const text = this.area.value;
    if (text && encodeURIComponent(text).length <= ADDRESS_CHARACTERS) query.set("prompt", text);
    const wanted = query.size ? `?${query}` : "";
    if (location.search !== wanted) history.replaceState(history.state, "", this.path + wanted + location.hash);
  }
}

/** What is in the box, kept over a reload and other pages; each tab has its own. */
class Draft {
  constructor(name) {
    this.name = `fivefold.prompt.${name}`;
    this.text = this.token = "";
    this.sent = false;
    try {
      Object.assign(this, JSON.parse(sessionStorage.getItem(this.name)));
    } catch {
      // Kept by nobody: the tab may not store anything.
    }
  }

  keep(text, token, sent = false) {
    Object.assign(this, { text, token, sent });
    try {
      sessionStorage.setItem(this.name, JSON.stringify({ text, token, sent }));
    } catch {
      // As above; it is still in the box.
    }
  }
}

/** The prompts of earlier jobs: by arrow keys in the box, or in a list that can be searched. */
class Earlier {
  constructor(take) {
    this.take = take;
    this.at = -1;
    this.button = el("button", { type: "button", className: "quiet", "aria-expanded": "false", "aria-controls": "earlier-prompts", on: { click: () => this.toggle() } },
      icon("clock"), el("span", { text: _("Earlier prompts") }));
    this.search = el("input", { type: "search", placeholder: _("Search in earlier prompts"), "aria-label": _("Search in earlier prompts"), on: { input: () => this.list() } });
    this.items = el("ul", {});
    this.empty = el("p", { className: "none", hidden: true });
    this.panel = el("div", { id: "earlier-prompts", className: "earlier", role: "group", "aria-label": _("Earlier prompts"), hidden: true, on: { keydown: (event) => this.key(event) } },
      this.search, this.items, this.empty);
  }

  /** The prompt that the box shows out of the list, or undefined. */
  get shown() {
    return this.prompts?.[this.at];
  }

  async load() {
    if (this.prompts) return;
    const answer = await asked("/prompts");
    this.prompts = answer.prompts;
    this.trouble = answer.detail;
  }

  /** Another one was made. */
  forget() {
    this.prompts = undefined;
    this.at = -1;
  }

  /** Go to an older (1) or newer (-1) one and return it; beyond the newest there is the empty box. */
  async step(by) {
    await this.load();
    if (!this.prompts?.length) return undefined;
    this.at = Math.min(Math.max(this.at + by, -1), this.prompts.length - 1);
    return this.at < 0 ? "" : this.prompts[this.at];
  }

  async toggle(open = this.panel.hidden) {
    if (open) await this.load();
    this.panel.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    if (!open) return this.button.focus();
    this.search.value = "";
    this.list();
    this.search.focus();
  }

  list() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = (this.prompts ?? []).filter((text) => words.every((word) => text.toLowerCase().includes(word)));
    this.items.replaceChildren(...found.map((text) => el("li", {},
      el("button", { type: "button", dir: "auto", text: text.trim().replace(/\s+/g, " ").slice(0, 300), on: { click: () => this.choose(text) } }))));
    this.empty.hidden = found.length > 0;
    setText(this.empty, this.trouble ?? (words.length ? _("None of them has these words.") : _("What you create is listed here, to be used again.")));
  }

  choose(text) {
    this.at = this.prompts.indexOf(text);
    this.toggle(false);
    this.take(text);
  }

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
    const at = places.indexOf(this.panel.getRootNode().activeElement);
    places[Math.min(Math.max(at + step, 0), places.length - 1)].focus();
  }
}

/** Ask a route of ours; where it does not answer, the result has a `detail` alone. */
async function asked(path) {
  try {
    const answer = await fetch(inLanguage(path), { signal: AbortSignal.timeout(ANSWER_MS) });
    return await answer.json();
  } catch {
    return { detail: _("Fivefold does not answer at the moment. Please try again.") };
  }
}
