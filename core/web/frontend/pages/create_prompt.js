// @ts-check
/** @import { Language, SetTrigger } from "../kit/component.js" */
/** The prompt's box. What is typed stays in the browser until it is sent: no key makes a server work. */
import { component } from "../kit/component.js";
import { el, link, setText } from "../kit/dom.js";
import { _, language } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";
import { recall, remember } from "../kit/storage.js";
import { EarlierPrompts, fetchPrompts } from "./earlier_prompts.js";

const ADDRESS_CHARACTERS = 1500; // of a prompt, encoded; a longer one is kept in the tab alone
const ADDRESS_MS = 300; // after the last key; browsers allow only so many changes a minute
const NEAR = 0.8; // of what is allowed, from where on the length is shown

/**
 * What `core.web.frontend.components.create_prompt` gives.
 * @typedef {object} PromptData
 * @property {string} user
 * @property {string} box
 * @property {string} placeholder
 * @property {boolean} written
 * @property {string} prompt
 * @property {string} token
 * @property {{ most: number, units: "utf-16" | "characters" }[]} limits
 * @property {boolean} varies
 * @property {string} expected
 * @property {boolean} beyond
 * @property {string} button
 * @property {Record<string, string>} address
 * @property {unknown} terms
 * @property {boolean} stay
 * @property {{ id: string, href: string, text: string } | null} sent
 * @property {number} heard
 */
/** @typedef {Language & PromptData} Data */
/** @typedef {{ at: number, name: string }} BoxRequest to the script, with the state of the form */

export default component(
  ["pages/create_prompt.css"],
  (root, /** @type {Data} */ data, setTrigger) => new PromptBox(root, data, setTrigger),
);

class PromptBox {
  /**
   * @param {ShadowRoot} parent
   * @param {Data} data
   * @param {SetTrigger} setTrigger
   */
  constructor(parent, data, setTrigger) {
    this.data = data;
    this.setTrigger = setTrigger;
    /** @type {BoxRequest | null} */
    this.pending = null; // not received by the script yet
    /** @type {string | undefined} */
    this.sentShown = undefined; // the id of the job that the last message is about
    this.idea = "";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.path = location.pathname;
    this.draft = new Draft(`${data.user}.${data.box}`);
    this.earlier = new EarlierPrompts((text) => this.write(text));
    this.area = el("textarea", {
      "aria-label": _("Prompt"),
      "aria-describedby": "prompt-length",
      rows: 4,
      dir: "auto",
      spellcheck: true,
    });
    this.area.addEventListener("input", () => this.typed());
    this.area.addEventListener("keydown", (event) => this.key(event));
    this.length = el("p", { id: "prompt-length", className: "length", "aria-live": "polite" });
    const surprise = quietButton("dice", _("Surprise me"), () => this.surprise());
    surprise.title = _("Write something that nobody has thought of into the box");
    this.vary = quietButton("similar", _("Suggest variations"), () => this.ask("vary"));
    this.expected = el("p", { className: "expected", "aria-live": "polite" });
    const keys = _("Ctrl or ⌘ with Enter does the same");
    this.create = el("button", { type: "button", className: "button primary create", title: keys });
    this.create.addEventListener("click", () => this.ask("create"));
    this.stay = el("input", { type: "checkbox" });
    this.stay.addEventListener("change", () => this.ask("stay", { on: this.stay.checked }));
    const staying = el("label", { className: "stay" }, this.stay, el("span", { text: _("Stay here after creating") }));
    this.sent = el("p", { className: "said", role: "status" });
    const tools = el("div", { className: "tools" }, surprise, this.earlier.button, this.vary, this.length);
    this.frame = el("div", { className: "frame" }, this.area, tools);
    const sending = el("div", { className: "sending" }, this.expected, staying, this.create);
    this.root = el("div", { className: "ff prompt-box" }, this.frame, this.earlier.panel, this.sent, sending);
    parent.append(this.root);
    if (this.draft.sent) this.arrived();
  }

  /**
   * @param {Data} data
   * @param {SetTrigger} setTrigger
   */
  update(data, setTrigger) {
    this.data = data;
    this.setTrigger = setTrigger;
    this.frame.hidden = !data.written;
    this.area.placeholder = data.placeholder;
    this.vary.hidden = !data.varies;
    if (data.token && data.token !== this.draft.token) this.draft.keep(data.prompt, data.token);
    if (this.area.value !== this.draft.text) this.area.value = this.draft.text;
    if (this.pending && data.heard >= this.pending.at) {
      this.pending = null;
      if (this.draft.sent) this.draft.keep(this.draft.text, this.draft.token); // refused
    }
    if (this.pending) this.send(this.pending); // a click that another one follows is dropped
    const creating = this.pending?.name === "create";
    this.create.disabled = creating;
    setText(this.create, creating ? _("Creating …") : data.button);
    setText(this.expected, data.expected);
    this.expected.classList.toggle("beyond", data.beyond);
    this.stay.checked = data.stay;
    this.showSent(data.sent);
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

  /** @param {Data["sent"]} sent */
  showSent(sent) {
    if (this.sentShown === sent?.id) return;
    this.sentShown = sent?.id;
    this.sent.replaceChildren();
    if (!sent) return;
    const watch = link(sent.href, () => this.ask("open", { on: sent.href }), { text: _("Watch it") });
    this.sent.append(icon("check"), el("span", { text: sent.text }), watch);
    this.earlier.forget();
  }

  /**
   * @param {string} name
   * @param {{ on?: string | boolean }} more
   */
  ask(name, more = {}) {
    const at = performance.timeOrigin + performance.now();
    this.pending = { at, name, ...{ prompt: this.area.value, terms: this.data.terms, ...more } };
    if (name === "create") {
      this.create.disabled = true;
      setText(this.create, _("Creating …"));
      this.draft.keep(this.area.value, this.draft.token, true);
    }
    this.send(this.pending);
  }

  /** @param {BoxRequest} request */
  send(request) {
    this.setTrigger("ask", JSON.stringify(request));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (!this.create.disabled) this.ask("create");
      return;
    }
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!this.area.value) this.earlier.index = -1;
    else if (this.area.value !== this.earlier.shown) return; // it is the cursor that is moved
    event.preventDefault();
    this.earlier.step(step).then((text) => {
      if (text !== undefined) this.write(text);
    });
  }

  /**
   * Put a text into the box as if it had been typed.
   * @param {string} text
   */
  write(text) {
    this.area.value = text;
    this.area.focus();
    this.area.setSelectionRange(text.length, text.length);
    this.typed();
  }

  typed() {
    this.draft.keep(this.area.value, this.draft.token);
    this.measure();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.address(), ADDRESS_MS);
  }

  async surprise() {
    const { prompt, detail } = await fetchPrompts(`/prompts/surprise?last=${encodeURIComponent(this.idea)}`);
    if (prompt) {
      this.idea = prompt;
      this.write(prompt);
    } else setText(this.length, detail ?? "");
  }

  /** Say how long the prompt is where that comes near what a model takes. */
  measure() {
    const text = this.area.value;
    const sizes = { "utf-16": text.length, characters: [...text].length };
    const shares = this.data.limits.map(({ units, most }) => {
      const has = sizes[units];
      return { has, most, share: has / Math.max(most, 1) };
    });
    const worst = shares.reduce((one, other) => (other.share > one.share ? other : one));
    const count = (/** @type {number} */ number) => number.toLocaleString(language());
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
  /** @param {string} name */
  constructor(name) {
    this.name = `fivefold.prompt.${name}`;
    const { text = "", token = "", sent = false } = JSON.parse(recall("sessionStorage", this.name) || "{}");
    this.text = /** @type {string} */ (text);
    this.token = /** @type {string} */ (token); // of what Python put into the box last
    this.sent = /** @type {boolean} */ (sent); // it was ordered, and the answer has not come
  }

  /**
   * @param {string} text
   * @param {string} token
   * @param {boolean} sent
   */
  keep(text, token, sent = false) {
    this.text = text;
    this.token = token;
    this.sent = sent;
    remember("sessionStorage", this.name, JSON.stringify({ text, token, sent }));
  }
}

/**
 * @param {string} name the icon
 * @param {string} text
 * @param {() => void} click
 */
function quietButton(name, text, click) {
  return el("button", { type: "button", className: "quiet", on: { click } }, icon(name), el("span", { text }));
}
