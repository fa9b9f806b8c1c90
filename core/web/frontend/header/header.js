import { Bell } from "./bell.js";
import { at, inLanguage, visit } from "../kit/address.js";
import { component } from "../kit/component.js";
import { el, link, setText } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";
import { petals } from "../kit/icons.js";

let bell; // the only one of this tab: a header that is drawn anew takes it over

export default component(["header/bell.css", "header/header.css"], (root, data) => new Header(root, data.menu));

class Header {
  constructor(parent, menu) {
    this.trouble = el("p", { className: "trouble", role: "alert", hidden: true });
    this.leave = el("button", { type: "button", className: "button", text: _("Log out"), on: { click: () => this.logOut() } });
    this.user = link("/account", () => visit("/account"), { className: "account", "data-testid": "user" });
    this.places = menu.map(([path, text]) => link(path, () => visit(path), { text }));
    this.who = el("div", { className: "who" }, this.user, this.leave);
    this.root = el("header", { className: "ff header" },
      link("/", () => visit("/"), { className: "mark", "aria-label": _("Fivefold, to the start") }, petals(34), "Fivefold"),
      el("nav", { "aria-label": _("Pages") }, ...this.places),
      this.who,
      this.trouble);
    parent.append(this.root);
  }

  update(data) {
    setText(this.user, data.user);
    this.user.title = _("Your account: {user}", { user: data.user });
    for (const place of [...this.places, this.user]) {
      if (place.getAttribute("href") === data.current) place.setAttribute("aria-current", "page");
      else place.removeAttribute("aria-current");
    }
    bell ??= new Bell();
    if (bell.node.parentElement !== this.who) this.who.prepend(bell.node);
    bell.update(data.user);
  }

  async logOut() {
    this.leave.disabled = true;
    try {
      const answer = await fetch(inLanguage("/auth/logout"), { method: "POST" });
      const said = await answer.json();
      if (answer.ok) return window.location.assign(at(said.next));
      this.trouble.textContent = said.detail;
    } catch {
      this.trouble.textContent = _("Logging out did not work. Is Fivefold still running?");
    }
    this.trouble.hidden = false;
    this.leave.disabled = false;
  }
}
