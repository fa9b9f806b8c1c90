// @ts-check
/** Dialogs, menus and passing messages. */
import { el, focusedBeside, iconButton, setText } from "./dom.js";
import { _ } from "./i18n.js";

const SHOWN_MS = 8_000; // a passing message
const SUGGESTED = 12; // names that one click takes

/** A dialog that a click beside it closes, and that gives the focus back to what opened it. */
export class Dialog {
  /**
   * @param {Record<string, any>} props
   * @param {Node[]} children
   */
  constructor(props, ...children) {
    /** @type {HTMLElement | undefined} */
    this.opener = undefined;
    this.node = el("dialog", props, ...children);
    this.node.addEventListener("click", (event) => {
      if (event.target === this.node) this.node.close();
    });
    this.node.addEventListener("close", () => this.closed());
  }

  /** @param {HTMLElement} opener */
  show(opener) {
    this.opener = opener;
    this.node.showModal();
  }

  closed() {
    this.opener?.focus({ preventScroll: true });
  }
}

/** @param {() => HTMLDialogElement} dialog what it closes */
export function closeButton(dialog) {
  return iconButton("close", _("Close"), () => dialog().close());
}

/** A question before something that cannot be taken back; the answer that changes nothing has the focus. */
export class Question extends Dialog {
  constructor() {
    const title = el("h2", { id: "question-title" });
    const text = el("p", { id: "question-text" });
    const answers = el("div", { className: "answers" });
    super(
      { className: "question", role: "alertdialog", "aria-labelledby": title.id, "aria-describedby": text.id },
      title,
      text,
      answers,
    );
    this.title = title;
    this.text = text;
    this.agree = () => {};
    this.no = el("button", { type: "button", className: "button", on: { click: () => this.node.close() } });
    this.yes = el("button", { type: "button", className: "button primary", on: { click: () => this.answerYes() } });
    answers.append(this.no, this.yes);
  }

  /**
   * @param {{ title: string, text: string, yes: string, no: string }} words
   * @param {HTMLElement} opener
   * @param {() => void} agree called for a yes
   */
  open({ title, text, yes, no }, opener, agree) {
    setText(this.title, title);
    setText(this.text, text);
    setText(this.no, no);
    setText(this.yes, yes);
    this.agree = agree;
    this.show(opener);
  }

  answerYes() {
    this.node.close();
    this.agree();
  }
}

/** A question whose answer is a name: of a collection, for the most part. */
export class Naming extends Dialog {
  constructor() {
    const title = el("h2", { id: "naming-title" });
    const form = el("form", { method: "dialog" });
    super({ className: "question naming", "aria-labelledby": title.id }, title, form);
    this.title = title;
    /** @type {(name: string) => void} */
    this.agree = () => {};
    this.field = el("input", {
      type: "text",
      required: true,
      maxLength: 60,
      "aria-labelledby": title.id,
      autocomplete: "off",
    });
    this.field.setAttribute("list", "naming-names");
    this.names = el("datalist", { id: "naming-names" });
    this.choices = el("div", { className: "choices" });
    this.yes = el("button", { type: "submit", className: "button primary" });
    const cancel = { type: "button", className: "button", text: _("Cancel"), on: { click: () => this.node.close() } };
    const answers = el("div", { className: "answers" }, el("button", cancel), this.yes);
    form.append(this.field, this.names, this.choices, answers);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.field.value.trim()) this.answer(this.field.value.trim());
    });
  }

  /**
   * Ask for a name; `names` are suggested, and one click takes one of the first.
   * @param {{ title: string, yes: string, names?: string[], value?: string }} words
   * @param {HTMLElement} opener
   * @param {(name: string) => void} agree
   */
  open({ title, yes, names = [], value = "" }, opener, agree) {
    setText(this.title, title);
    setText(this.yes, yes);
    this.field.value = value;
    this.names.replaceChildren(...names.map((name) => el("option", { value: name })));
    this.choices.replaceChildren(...names.slice(0, SUGGESTED).map((name) => this.choice(name)));
    this.agree = agree;
    this.show(opener);
    this.field.focus();
    this.field.select();
  }

  /** @param {string} name */
  choice(name) {
    const props = { type: "button", className: "chip", dir: "auto", text: name };
    return el("button", { ...props, on: { click: () => this.answer(name) } });
  }

  /** @param {string} name */
  answer(name) {
    this.node.close();
    this.agree(name);
  }
}

/** What has just happened, in a sentence, and perhaps the way back. Lies above every open dialog. */
export class Snackbar {
  constructor() {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {HTMLElement | null} */
    this.home = null;
    this.run = () => {};
    this.text = el("span", { role: "status" });
    this.act = el("button", { type: "button", className: "plain", hidden: true });
    this.act.addEventListener("click", () => {
      this.hide();
      this.run();
    });
    const close = iconButton("close", _("Close"), () => this.hide());
    const props = { className: "snack", popover: "manual", "data-testid": "snack" };
    this.node = el("div", props, this.text, this.act, close);
    this.node.addEventListener("pointerenter", () => clearTimeout(this.timer));
    this.node.addEventListener("focusin", () => clearTimeout(this.timer));
    for (const type of ["pointerleave", "focusout"]) this.node.addEventListener(type, () => this.wait());
  }

  /**
   * @param {string} text
   * @param {string} act the label of the button beside it; empty: there is none
   * @param {() => void} run what the button does
   */
  show(text, act = "", run = () => {}) {
    this.run = run;
    this.act.hidden = !act;
    setText(this.act, act);
    this.dock();
    setText(this.text, text);
    this.wait();
  }

  /** Move to where it can be seen and used: what is not in the topmost modal dialog cannot. */
  dock() {
    this.home ??= this.node.parentElement;
    const top = [...(this.home?.querySelectorAll("dialog:modal") ?? [])].at(-1);
    const place = top?.querySelector(".main") ?? top ?? this.home;
    if (this.node.parentElement !== place) place?.append(this.node);
    if (!this.node.matches(":popover-open")) this.node.showPopover();
    const dockAgain = () => {
      if (this.node.matches(":popover-open")) this.dock();
    };
    top?.addEventListener("close", dockAgain, { once: true });
  }

  wait() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.hide(), SHOWN_MS);
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
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("click", () => this.node.hidePopover());
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const all = /** @type {HTMLElement[]} */ ([...this.node.children]);
    const index = all.indexOf(/** @type {HTMLElement} */ (focusedBeside(this.node)));
    /** @type {Record<string, number>} */
    const targets = {
      ArrowDown: (index + 1) % all.length,
      ArrowUp: (index - 1 + all.length) % all.length,
      Home: 0,
      End: all.length - 1,
    };
    event.stopPropagation();
    if (event.key === "Tab") this.node.hidePopover();
    const target = targets[event.key];
    if (target === undefined) return;
    event.preventDefault();
    all[target]?.focus();
  }

  /**
   * Show these entries (links and buttons) below a button.
   * @param {string} label
   * @param {HTMLElement[]} entries
   * @param {HTMLElement} button
   */
  open(label, entries, button) {
    for (const entry of entries) {
      entry.setAttribute("role", "menuitem");
      entry.tabIndex = -1;
    }
    this.node.setAttribute("aria-label", label);
    this.node.replaceChildren(...entries);
    this.node.showPopover({ source: button });
    const { right, top, bottom } = button.getBoundingClientRect();
    const { width, height } = this.node.getBoundingClientRect();
    const below = bottom + 6 + height <= innerHeight;
    this.node.style.left = `${Math.max(8, Math.min(right - width, innerWidth - width - 8))}px`;
    this.node.style.top = `${below ? bottom + 6 : Math.max(8, top - height - 6)}px`;
    entries[0]?.focus();
  }
}

/**
 * Put a text into the clipboard, also where the page has no right to (no HTTPS); returns whether that worked.
 * @param {string} text
 * @param {HTMLElement} near
 */
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
