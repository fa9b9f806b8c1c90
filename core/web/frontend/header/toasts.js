// @ts-check
/** @import { Notice } from "../types" */
/** What has just come, at the bottom of the window for a while. */
import { el, keepFocus, link } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";

const MOST = 3; // more at once are one
export const ALL_NOTICES = "/notifications";
/** The id of the toast that stands for several notices. */
export const SEVERAL = "several";

/** @typedef {Pick<Notice, "id" | "title" | "text" | "href"> & { failed?: boolean }} Toast */

export class Toasts {
  /**
   * @param {(href: string) => void} open leads to the page of a toast
   * @param {() => HTMLElement} rest gets the focus of one that goes
   */
  constructor(open, rest) {
    this.open = open;
    this.rest = rest;
    // A popover lies above all else, whatever it is drawn in.
    this.node = el("div", { className: "toasts", popover: "manual", role: "status", "aria-live": "polite" });
  }

  show() {
    if (!this.node.matches(":popover-open")) this.node.showPopover();
  }

  /** @param {Notice[]} news */
  announce(news) {
    const title = _("Several new notifications");
    const several = { id: SEVERAL, title, text: _("The page “Notifications” has all of them."), href: ALL_NOTICES };
    for (const each of news.length > MOST ? [several] : news) this.add(each);
  }

  /** @param {Toast} toast */
  add(toast) {
    const leave = () => keepFocus(this.node, () => node.remove(), this.rest);
    const label = { title: _("Close"), "aria-label": _("Close"), on: { click: leave } };
    const close = el("button", { type: "button", className: "plain close", ...label }, icon("close"));
    const open = () => {
      node.remove();
      this.open(toast.href);
    };
    const way = link(toast.href, open, {}, icon(toast.failed ? "alert" : "bell"), words(toast));
    const props = { "data-testid": "toast", "data-id": toast.id };
    const node = el("div", { className: toast.failed ? "toast failed" : "toast", ...props }, way, close);
    // The style sheet lets it linger, and pauses that under the mouse and while it has the focus.
    node.addEventListener("animationend", ({ animationName }) => {
      if (animationName === "linger") leave();
    });
    this.node.append(node);
  }

  /**
   * Take all away but those of these notices.
   * @param {string[]} ids
   */
  keep(ids) {
    const all = /** @type {HTMLElement[]} */ ([...this.node.children]);
    const gone = all.filter((node) => !ids.includes(node.dataset.id ?? ""));
    const remove = () => {
      for (const node of gone) node.remove();
    };
    keepFocus(this.node, remove, this.rest);
  }
}

/**
 * The words of a toast and of a line of the bell.
 * @param {Pick<Notice, "title" | "text">} notice
 * @param {Node[]} more
 */
export function words({ title, text }, ...more) {
  const lines = [
    el("span", { className: "title", dir: "auto", text: title }),
    el("span", { className: "text", dir: "auto", text }),
  ];
  return el("span", { className: "words" }, ...lines, ...more);
}
