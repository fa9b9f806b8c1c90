import { el, keepFocus, link } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";

const TOASTS = 3; // more at once are one
export const ALL_NOTICES = "/notifications";
export const MANY = "many";

/** What has just come, at the bottom of the window for a while. */
export class Toasts {
  constructor(open, rest) {
    this.open = open;
    this.rest = rest;
    // A popover lies above all else, whatever it is drawn in.
    this.node = el("div", { className: "toasts", popover: "manual", role: "status", "aria-live": "polite" });
  }

  show() {
    if (!this.node.matches(":popover-open")) this.node.showPopover();
  }

  tell(news) {
    const many = { id: MANY, title: _("Several new notifications"), text: _("The page “Notifications” has all of them."), href: ALL_NOTICES };
    (news.length > TOASTS ? [many] : news).forEach((each) => this.add(each));
  }

  add(notice) {
    const leave = () => keepFocus(this.node, () => node.remove(), this.rest);
    const close = el("button", { type: "button", className: "plain close", title: _("Close"), "aria-label": _("Close"), on: { click: leave } }, icon("close"));
    const node = el("div", { className: "toast", "data-testid": "toast" },
      link(notice.href, () => { node.remove(); this.open(notice); }, {}, icon(notice.failed ? "alert" : "bell"), words(notice)),
      close);
    node.dataset.id = notice.id;
    node.classList.toggle("failed", Boolean(notice.failed));
    // The style sheet lets it linger, and pauses that under the mouse and while it has the focus.
    node.addEventListener("animationend", ({ animationName }) => { if (animationName === "linger") leave(); });
    this.node.append(node);
  }

  /** Take all away but those of these notices. */
  keep(ids) {
    const gone = [...this.node.children].filter((node) => !ids.includes(node.dataset.id));
    keepFocus(this.node, () => gone.forEach((node) => node.remove()), this.rest);
  }
}

export function words({ title, text }, ...more) {
  return el("span", { className: "words" },
    el("span", { className: "title", dir: "auto", text: title }),
    el("span", { className: "text", dir: "auto", text }),
    ...more);
}
