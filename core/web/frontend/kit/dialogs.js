import { el, iconButton, setText } from "./dom.js";
import { _ } from "./i18n.js";

const SAID_MS = 8_000;

/** A dialog that a click beside it closes, and that gives the focus back to what opened it. */
export class Dialog {
  constructor(props, ...children) {
    this.node = el("dialog", props, ...children);
    this.node.addEventListener("click", (event) => { if (event.target === this.node) this.node.close(); });
    this.node.addEventListener("close", () => this.closed());
  }

  show(opener) {
    this.opener = opener;
    this.node.showModal();
  }

  closed() {
    this.opener?.focus({ preventScroll: true });
  }
}

export function closeButton(node) {
  return iconButton("close", _("Close"), () => node().close());
}

/** A question before something that cannot be taken back; the answer that changes nothing has the focus. */
export class Question extends Dialog {
  constructor() {
    const title = el("h2", { id: "question-title" });
    const text = el("p", { id: "question-text" });
    const answers = el("div", { className: "answers" });
    super({ className: "question", role: "alertdialog", "aria-labelledby": title.id, "aria-describedby": text.id }, title, text, answers);
    const answer = (className, act) => el("button", { type: "button", className, on: { click: act } });
    this.no = answer("button", () => this.node.close());
    this.yes = answer("button primary", () => { this.node.close(); this.agree(); });
    answers.append(this.no, this.yes);
    Object.assign(this, { title, text });
  }

  open({ title, text, yes, no }, opener, agree) {
    setText(this.title, title);
    setText(this.text, text);
    setText(this.no, no);
    setText(this.yes, yes);
    this.agree = agree;
    this.show(opener);
  }
}

/** A question whose answer is a name: of a collection, for the most part. */
export class Naming extends Dialog {
  constructor() {
    const title = el("h2", { id: "naming-title" });
    const form = el("form", { method: "dialog" });
    super({ className: "question naming", "aria-labelledby": title.id }, title, form);
    this.title = title;
    this.field = el("input", { type: "text", required: true, maxLength: 60, "aria-labelledby": title.id, autocomplete: "off" });
    this.field.setAttribute("list", "naming-names");
    this.names = el("datalist", { id: "naming-names" });
    this.choices = el("div", { className: "choices" });
    this.yes = el("button", { type: "submit", className: "button primary" });
    form.append(this.field, this.names, this.choices, el("div", { className: "answers" },
      el("button", { type: "button", className: "button", text: _("Cancel"), on: { click: () => this.node.close() } }), this.yes));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.field.value.trim()) this.answer(this.field.value.trim());
    });
  }

  /** Ask for a name; `names` are suggested, and one click takes one of the first. */
  open({ title, yes, names = [], value = "" }, opener, agree) {
    setText(this.title, title);
    setText(this.yes, yes);
    this.field.value = value;
    this.names.replaceChildren(...names.map((name) => el("option", { value: name })));
    this.choices.replaceChildren(...names.slice(0, 12).map((name) => el("button", { type: "button", className: "chip", dir: "auto", text: name, on: { click: () => this.answer(name) } })));
    this.agree = agree;
    this.show(opener);
    this.field.focus();
    this.field.select();
  }

  answer(name) {
    this.node.close();
    this.agree(name);
  }
}

/** What has just happened, in a sentence, and perhaps the way back. Lies above every open dialog. */
export class Snack {
  constructor() {
    this.text = el("span", { role: "status" });
    this.act = el("button", { type: "button", className: "plain", hidden: true });
    this.act.addEventListener("click", () => { this.hide(); this.run(); });
    this.node = el("div", { className: "snack", popover: "manual", "data-testid": "snack" }, this.text, this.act, iconButton("close", _("Close"), () => this.hide()));
    this.node.addEventListener("pointerenter", () => clearTimeout(this.timer));
    this.node.addEventListener("focusin", () => clearTimeout(this.timer));
    for (const type of ["pointerleave", "focusout"]) this.node.addEventListener(type, () => this.wait());
  }

  /** Say something; `act` with `run` is the button beside it. */
  say(text, act = "", run = () => {}) {
    this.run = run;
    this.act.hidden = !act;
    setText(this.act, act);
    this.dock();
    setText(this.text, text);
    this.wait();
  }

  /** Move to where it can be seen and used: what is not in the topmost modal dialog cannot. */
  dock() {
    const root = this.home ??= this.node.parentElement;
    const top = [...root.querySelectorAll("dialog:modal")].at(-1);
    const place = top?.querySelector(".main") ?? top ?? root;
    if (this.node.parentElement !== place) place.append(this.node);
    if (!this.node.matches(":popover-open")) this.node.showPopover();
    top?.addEventListener("close", () => { if (this.node.matches(":popover-open")) this.dock(); }, { once: true });
  }

  wait() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.hide(), SAID_MS);
  }

  hide() {
    clearTimeout(this.timer);
    if (this.node.isConnected && this.node.matches(":popover-open")) this.node.hidePopover();
    setText(this.text, "");
  }
}

/** What can be done with an item, opened by its button. */
export class Menu {
  constructor() {
    this.node = el("div", { className: "menu", popover: "auto", role: "menu" });
    this.node.addEventListener("keydown", (event) => {
      const all = [...this.node.children];
      const at = all.indexOf(this.node.getRootNode().activeElement);
      const to = { ArrowDown: (at + 1) % all.length, ArrowUp: (at - 1 + all.length) % all.length, Home: 0, End: all.length - 1 }[event.key];
      event.stopPropagation();
      if (event.key === "Tab") this.node.hidePopover();
      if (to === undefined) return;
      event.preventDefault();
      all[to].focus();
    });
    this.node.addEventListener("click", () => this.node.hidePopover());
  }

  /** Show these entries (links and buttons) below a button. */
  open(label, entries, button) {
    for (const entry of entries) { entry.setAttribute("role", "menuitem"); entry.tabIndex = -1; }
    this.node.setAttribute("aria-label", label);
    this.node.replaceChildren(...entries);
    this.node.showPopover({ source: button });
    const at = button.getBoundingClientRect();
    const { width, height } = this.node.getBoundingClientRect();
    this.node.style.left = `${Math.max(8, Math.min(at.right - width, innerWidth - width - 8))}px`;
    this.node.style.top = `${at.bottom + 6 + height > innerHeight ? Math.max(8, at.top - height - 6) : at.bottom + 6}px`;
    entries[0]?.focus();
  }
}

/** Put a text into the clipboard, also where the page has no right to (no HTTPS). */
export async function copyText(text, near) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = el("textarea", { value: text, className: "unseen" });
    near.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}
