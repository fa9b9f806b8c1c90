// @ts-check
/** @import { Notice } from "../types" */
/** Polls for notices, and shows them: as a number, a list, toasts and on the desktop. */
import { inLanguage, openPath, visit } from "../kit/address.js";
import { JOB_ENDED } from "../kit/component.js";
import { el, setText } from "../kit/dom.js";
import { _, N_ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";
import { ANSWER_MS, LOGGED_OUT, post } from "../kit/request.js";
import { recall, remember } from "../kit/storage.js";
import { desktopPermission, Panel } from "./bell_panel.js";
import { SEVERAL, Toasts } from "./toasts.js";

const SHOWN_MS = 5_000; // between two looks while the tab is on the screen
const HIDDEN_MS = 30_000;
const LONGEST_MS = 120_000; // while Fivefold does not answer
const REMEMBERED = 100; // notices that this browser has shown
const NO_ANSWER = N_("Fivefold does not answer at the moment.");

export class Bell {
  constructor() {
    this.user = "";
    this.place = ""; // the address at the last look
    /** @type {string | null} */
    this.lastRead = null;
    /** @type {Set<string> | null} */
    this.known = null; // ids of what need not be shown any more; null before the first answer
    this.turn = 0; // of the latest request; what an earlier one answers is out of date
    this.asking = 0;
    this.failures = 0;
    /** @type {ReturnType<typeof setTimeout> | null} */
    this.timer = null;
    this.badge = el("span", { className: "badge", "aria-hidden": "true", hidden: true });
    const label = { title: _("Notifications"), "aria-label": _("Notifications"), "aria-haspopup": "dialog" };
    this.button = el("button", { type: "button", className: "ring", ...label }, icon("bell"), this.badge);
    this.toasts = new Toasts(
      (href) => this.open(href),
      () => this.button,
    );
    this.panel = new Panel(this.button, {
      open: (href) => this.open(href),
      readAll: () => this.read(),
    });
    this.panel.node.addEventListener("beforetoggle", ({ newState }) => {
      if (newState === "open") this.toasts.keep([]);
    });
    this.node = el("div", { className: "bell" }, this.button, this.panel.node, this.toasts.node);
    document.addEventListener("visibilitychange", () => {
      if (onScreen()) this.look();
    });
  }

  /** @param {string} user who is logged in */
  update(user) {
    this.user = user;
    this.toasts.show();
    const moved = this.place !== location.href;
    this.place = location.href;
    if (moved || (!this.timer && !this.asking)) this.look();
  }

  /** @param {string} href */
  open(href) {
    if (this.node.isConnected) this.panel.node.hidePopover();
    visit(href);
  }

  look() {
    if (!this.asking) this.ask("/bell");
  }

  /** @param {string} [job_id] what is read; without it, everything */
  read(job_id) {
    this.ask("/bell/read", post({ job_id }));
  }

  /**
   * @param {string} path
   * @param {RequestInit} options
   */
  async ask(path, options = {}) {
    clearTimeout(this.timer ?? undefined);
    this.timer = null;
    this.turn += 1;
    const turn = this.turn;
    this.asking += 1;
    let found;
    let trouble = "";
    try {
      const answer = await fetch(inLanguage(path), { ...options, signal: AbortSignal.timeout(ANSWER_MS) });
      found = answer.status === LOGGED_OUT ? null : await answer.json();
      if (!found || (answer.ok && found.user !== this.user)) {
        location.reload(); // logged out, or somebody else has logged in: in another tab, or from elsewhere
        return;
      }
      if (!answer.ok) trouble = found.detail;
    } catch {
      trouble = _(NO_ANSWER);
    }
    this.asking -= 1;
    if (turn !== this.turn) return;
    this.failures = trouble ? this.failures + 1 : 0;
    this.panel.setTrouble(trouble);
    if (!trouble) this.receive(found, path === "/bell");
    if (turn === this.turn && this.node.isConnected) this.lookLater();
  }

  lookLater() {
    const pause = (onScreen() ? SHOWN_MS : HIDDEN_MS) * 2 ** this.failures;
    const look = () => {
      this.timer = null;
      if (this.node.isConnected) this.look();
    };
    this.timer = setTimeout(look, Math.min(pause, LONGEST_MS));
  }

  /**
   * Show an answer; what the page of its own job shows anyway is read, where that `mayRead`.
   * @param {{ unread: number, notices: Notice[] }} found
   * @param {boolean} mayRead
   */
  receive({ unread, notices }, mayRead) {
    const job = onScreen() ? openJob() : null;
    const page = job && `/job?${new URLSearchParams({ id: job })}`;
    const seen = notices.filter((each) => each.unread && !each.failed && each.href === page);
    for (const each of seen) each.unread = false;
    this.show(unread - seen.length, notices);
    this.announce(notices.filter((each) => each.unread));
    if (!onScreen() && this.known) return; // announced where it will be seen
    this.known ??= new Set();
    for (const each of notices) this.known.add(each.id);
    if (mayRead && job && (seen.length || (unread && job !== this.lastRead))) this.read(job);
    this.lastRead = job;
  }

  /**
   * @param {number} unread
   * @param {Notice[]} notices
   */
  show(unread, notices) {
    setText(this.badge, unread > 99 ? "99+" : String(unread));
    this.badge.hidden = !unread;
    const label = unread ? _("Notifications, {count} unread", { count: unread }) : _("Notifications");
    this.button.setAttribute("aria-label", label);
    this.panel.change(unread, notices);
    this.toasts.keep(unread ? [SEVERAL, ...notices.filter((each) => each.unread).map((each) => each.id)] : []);
  }

  /** @param {Notice[]} unread */
  announce(unread) {
    const { known } = this;
    if (!known) return;
    const news = unread.filter((each) => !known.has(each.id));
    if (news.length) window.dispatchEvent(new Event(JOB_ENDED));
    if (desktopPermission() === "granted")
      for (const each of news) if (this.claim("desktop", each)) this.showOnDesktop(each);
    if (onScreen()) this.toasts.announce(news.filter((each) => this.claim("toast", each)));
  }

  /**
   * Whether a notice was not shown yet in this browser; at one instant two windows may both do it.
   * @param {"desktop" | "toast"} how
   * @param {Notice} notice
   */
  claim(how, { id }) {
    const key = `fivefold-${how}-${this.user}`;
    const shown = recall("localStorage", key).split(" "); // no storage: it is shown in every tab
    if (shown.includes(id)) return false;
    remember("localStorage", key, [...shown, id].slice(-REMEMBERED).join(" "));
    return true;
  }

  /** @param {Notice} notice */
  showOnDesktop({ id, title, text, href }) {
    try {
      const notification = new Notification(title, { body: text, tag: id });
      notification.addEventListener("click", () => {
        window.focus();
        notification.close();
        this.open(href);
      });
    } catch {
      // phones have the class, but only service workers may use it
    }
  }
}

function onScreen() {
  return document.visibilityState === "visible";
}

/** The job whose page is open. */
function openJob() {
  return openPath() === "/job" ? new URLSearchParams(location.search).get("id") : null;
}
