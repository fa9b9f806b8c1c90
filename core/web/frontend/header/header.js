// @ts-check
/** @import { Language } from "../kit/component.js" */
/** The top of every page: the wordmark, the way around, the bell, who is logged in, log out. */
import { at, inLanguage, visit } from "../kit/address.js";
import { component } from "../kit/component.js";
import { el, link, setText, showText } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";
import { petals } from "../kit/icons.js";
import { Bell } from "./bell.js";

/**
 * The only one of this tab: a header that is drawn anew takes it over.
 * @type {Bell | undefined}
 */
let bell;

/**
 * What `core.web.frontend.components.header` gives: who is logged in, the path of the page, and those of the menu.
 * @typedef {Language & { user: string, current: string, menu: [path: string, title: string][] }} Data
 */

export default component(
  ["header/bell.css", "header/header.css"],
  (root, /** @type {Data} */ { menu }) => new Header(root, menu),
);

class Header {
  /**
   * @param {ShadowRoot} parent
   * @param {Data["menu"]} menu
   */
  constructor(parent, menu) {
    this.trouble = el("p", { className: "trouble", role: "alert", hidden: true });
    const logOut = { text: _("Log out"), on: { click: () => this.logOut() } };
    this.leave = el("button", { type: "button", className: "button", ...logOut });
    const account = { className: "account", "data-testid": "user" };
    this.user = link("/account", () => visit("/account"), account);
    this.pages = menu.map(([path, text]) => link(path, () => visit(path), { text }));
    this.who = el("div", { className: "who" }, this.user, this.leave);
    const mark = { className: "mark", "aria-label": _("Fivefold, to the start") };
    this.root = el(
      "header",
      { className: "ff header" },
      link("/", () => visit("/"), mark, petals(34), "Fivefold"),
      el("nav", { "aria-label": _("Pages") }, ...this.pages),
      this.who,
      this.trouble,
    );
    parent.append(this.root);
  }

  /** @param {Data} data */
  update(data) {
    setText(this.user, data.user);
    this.user.title = _("Your account: {user}", { user: data.user });
    for (const page of [...this.pages, this.user]) {
      if (page.getAttribute("href") === at(data.current)) page.setAttribute("aria-current", "page");
      else page.removeAttribute("aria-current");
    }
    bell ??= new Bell();
    if (bell.node.parentElement !== this.who) this.who.prepend(bell.node);
    bell.update(data.user);
  }

  async logOut() {
    this.leave.disabled = true;
    try {
      const answer = await fetch(inLanguage("/auth/logout"), { method: "POST" });
      const found = await answer.json();
      if (answer.ok) {
        location.assign(at(found.next));
        return;
      }
      showText(this.trouble, found.detail);
    } catch {
      showText(this.trouble, _("Logging out did not work. Is Fivefold still running?"));
    }
    this.leave.disabled = false;
  }
}
