// @ts-check
/** @import { Notice } from "../types" */
/** The list that the bell opens. */
import { el, find, focusedBeside, keepFocus, link, reconcile, setText } from "../kit/dom.js";
import { _, locale, N_ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";
import { ALL_NOTICES, words } from "./toasts.js";

/** @type {Record<string, string>} */
const DESKTOP = {
  granted: N_("Shown on this desktop too, while Fivefold is open in a tab."),
  denied: N_("This browser blocks notifications of this page; its settings for the page can allow them."),
};

export class Panel {
  /**
   * @param {HTMLButtonElement} button opens it
   * @param {{ open: (href: string) => void, readAll: () => void }} callbacks
   */
  constructor(button, { open, readAll }) {
    this.button = button;
    this.open = open;
    const plain = { type: "button", className: "plain" };
    this.markAll = el("button", { ...plain, text: _("Mark all as read"), on: { click: readAll } });
    this.list = el("ul", { className: "notices" });
    const nothing = _("Nothing yet. When your images and videos are ready, you are told here.");
    this.none = el("p", { className: "none", text: nothing });
    this.trouble = el("p", { className: "hint bad", role: "status" });
    this.hint = el("p", { className: "hint" });
    this.allow = el("button", {
      ...plain,
      text: _("Show on this desktop too"),
      on: { click: () => this.askBrowser() },
    });
    const all = link(ALL_NOTICES, () => open(ALL_NOTICES), { text: _("All notifications") });
    const dialog = { popover: "auto", role: "dialog", "aria-label": _("Notifications"), tabIndex: -1, autofocus: true };
    this.node = el(
      "div",
      { className: "panel", ...dialog },
      el("div", { className: "top" }, el("h2", { text: _("Notifications") }), this.markAll),
      this.trouble,
      this.list,
      this.none,
      el("div", { className: "foot" }, all, this.allow, this.hint),
    );
    this.node.addEventListener("focusout", ({ relatedTarget }) => {
      const within = relatedTarget instanceof Node && (relatedTarget === button || this.node.contains(relatedTarget));
      if (relatedTarget && !within) this.node.hidePopover();
    });
    button.popoverTargetElement = this.node;
    const place = () => this.place();
    this.node.addEventListener("beforetoggle", ({ newState }) => {
      const opens = newState === "open";
      const change = opens ? addEventListener : removeEventListener;
      change("resize", place);
      change("scroll", place, true);
      if (opens) this.prepare();
      else if (this.node.contains(focusedBeside(this.node))) button.focus();
    });
  }

  /** Lie below the button, wherever that is. */
  place() {
    const { bottom, right } = this.button.getBoundingClientRect();
    this.node.style.setProperty("--below", `${bottom}px`);
    this.node.style.setProperty("--right", `${innerWidth - right}px`);
  }

  prepare() {
    this.place();
    this.showPermission();
    for (const time of this.list.querySelectorAll("time")) showTime(time);
  }

  /**
   * @param {number} unread
   * @param {Notice[]} notices
   */
  change(unread, notices) {
    const change = () => {
      this.markAll.hidden = !unread;
      this.none.hidden = notices.length > 0;
      // One that was tried again and failed again has another time, and is another line.
      const lines = notices.map((each) => ({ ...each, id: `${each.id} ${each.time}` }));
      reconcile(this.list, lines, (notice) => this.makeLine(notice), changeLine);
    };
    keepFocus(this.node, change, () => this.node);
  }

  /** @param {Notice} notice */
  makeLine(notice) {
    const way = link(
      notice.href,
      () => this.open(notice.href),
      {},
      icon(notice.failed ? "alert" : "bell"),
      words(notice, el("time", { dateTime: notice.time })),
      el("span", { className: "dot" }),
      el("span", { className: "unseen", text: _("Unread") }),
    );
    return el("li", { className: notice.failed ? "failed" : "", "data-testid": "bell-notice" }, way);
  }

  /** @param {string} sentence empty: all is well */
  setTrouble(sentence) {
    setText(this.trouble, sentence);
  }

  showPermission() {
    const state = desktopPermission();
    const change = () => {
      this.allow.hidden = state !== "default";
    };
    keepFocus(this.node, change, () => this.node);
    const hint = state && DESKTOP[state];
    setText(this.hint, hint ? _(hint) : "");
  }

  async askBrowser() {
    await Notification.requestPermission();
    this.showPermission();
  }
}

/** Where the browser stands on notifications of this page; null where it cannot show any. */
export function desktopPermission() {
  return isSecureContext && "Notification" in window ? Notification.permission : null;
}

/**
 * @param {HTMLElement} line
 * @param {Notice} notice
 */
function changeLine(line, notice) {
  line.classList.toggle("unread", notice.unread);
  find(line, ".unseen").hidden = !notice.unread;
  const time = line.querySelector("time");
  if (time) showTime(time);
}

/** @param {HTMLTimeElement} node */
function showTime(node) {
  const moment = new Date(node.dateTime);
  setText(node, timeText(moment));
  node.title = moment.toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });
}

/** @param {Date} moment */
function timeText(moment) {
  const minutes = Math.floor((Date.now() - moment.getTime()) / 60_000);
  if (minutes < 1) return _("just now");
  const relative = new Intl.RelativeTimeFormat(locale(), { numeric: "auto" });
  if (minutes < 60) return relative.format(-minutes, "minute");
  if (minutes < 24 * 60) return relative.format(-Math.floor(minutes / 60), "hour");
  if (minutes < 7 * 24 * 60) return relative.format(-Math.floor(minutes / (24 * 60)), "day");
  return moment.toLocaleDateString(locale(), { dateStyle: "medium" });
}
