import { ALL_NOTICES, MANY, Toasts, words } from "./toasts.js";
import { inLanguage, openPath, visit } from "../kit/address.js";
import { JOB_ENDED } from "../kit/component.js";
import { el, keepFocus, link, reconcile, setText } from "../kit/dom.js";
import { LOGGED_OUT } from "../kit/event_stream.js";
import { _, locale, N_ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";

const SHOWN_MS = 5_000; // between two looks while the tab is on the screen
const HIDDEN_MS = 30_000;
const LONGEST_MS = 120_000; // while Fivefold does not answer
const ANSWER_MS = 20_000;
const REMEMBERED = 100;
const MUTE = N_("Fivefold does not answer at the moment.");
const DESKTOP = {
  granted: N_("Shown on this desktop too, while Fivefold is open in a tab."),
  denied: N_("This browser blocks notifications of this page; its settings for the page can allow them."),
};

/** Asks the server what there is to tell, and tells it: by a number, a list, toasts and the browser. */
export class Bell {
  constructor() {
    this.known = null; // ids of what need not be told any more; null before the first answer
    this.turn = 0; // of the latest request; what an earlier one answers is out of date
    this.asking = 0;
    this.failures = 0;
    this.panel = new Panel({ open: (notice) => this.open(notice.href), all: () => this.open(ALL_NOTICES), read: () => this.read() });
    this.toasts = new Toasts((notice) => this.open(notice.href), () => this.button);
    this.badge = el("span", { className: "badge", "aria-hidden": "true", hidden: true });
    this.button = el("button", { type: "button", className: "ring", title: _("Notifications"), "aria-label": _("Notifications"), "aria-haspopup": "dialog" }, icon("bell"), this.badge);
    this.panel.belongTo(this.button);
    this.panel.node.addEventListener("beforetoggle", ({ newState }) => { if (newState === "open") this.toasts.keep([]); });
    this.node = el("div", { className: "bell" }, this.button, this.panel.node, this.toasts.node);
    document.addEventListener("visibilitychange", () => { if (onScreen()) this.look(); });
  }

  update(user) {
    this.user = user;
    this.toasts.show();
    const moved = this.place !== location.href;
    this.place = location.href;
    if (moved || (!this.timer && !this.asking)) this.look();
  }

  open(href) {
    if (this.node.isConnected) this.panel.node.hidePopover();
    visit(href);
  }

  look() {
    if (!this.asking) this.ask("/bell");
  }

  read(job_id) {
    this.ask("/bell/read", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ job_id }) });
  }

  async ask(path, options = {}) {
    clearTimeout(this.timer);
    this.timer = null;
    const turn = ++this.turn;
    this.asking += 1;
    let said, trouble;
    try {
      const answer = await fetch(inLanguage(path), { ...options, signal: AbortSignal.timeout(ANSWER_MS) });
      if (answer.status === LOGGED_OUT) return location.reload(); // in another tab, or from elsewhere
      said = await answer.json();
      if (!answer.ok) trouble = said.detail;
      else if (said.user !== this.user) return location.reload(); // somebody else has logged in
    } catch {
      trouble = _(MUTE);
    }
    this.asking -= 1;
    if (turn !== this.turn) return;
    this.failures = trouble ? this.failures + 1 : 0;
    this.panel.setTrouble(trouble);
    if (!trouble) this.hear(said, path === "/bell");
    if (turn !== this.turn || !this.node.isConnected) return;
    const pause = (onScreen() ? SHOWN_MS : HIDDEN_MS) * 2 ** this.failures;
    this.timer = setTimeout(() => { this.timer = null; if (this.node.isConnected) this.look(); }, Math.min(pause, LONGEST_MS));
  }

  /** Show an answer; what the page of its own job tells anyway is read, where that `mayRead`. */
  hear({ unread, notices }, mayRead) {
    const job = onScreen() ? openJob() : null;
    const page = job && `/job?${new URLSearchParams({ id: job })}`;
    const seen = notices.filter((each) => each.unread && !each.failed && each.href === page);
    seen.forEach((each) => { each.unread = false; });
    this.show(unread - seen.length, notices);
    this.tell(notices.filter((each) => each.unread));
    if (!onScreen() && this.known) return; // told where it will be seen
    this.known ??= new Set();
    notices.forEach((each) => this.known.add(each.id));
    if (mayRead && job && (seen.length || (unread && job !== this.lastRead))) this.read(job);
    this.lastRead = job;
  }

  show(unread, notices) {
    setText(this.badge, unread > 99 ? "99+" : String(unread));
    this.badge.hidden = !unread;
    this.button.setAttribute("aria-label", unread ? _("Notifications, {count} unread", { count: unread }) : _("Notifications"));
    this.panel.change(unread, notices);
    this.toasts.keep(unread ? [MANY, ...notices.filter((each) => each.unread).map((each) => each.id)] : []);
  }

  tell(unread) {
    if (!this.known) return;
    const news = unread.filter((each) => !this.known.has(each.id));
    if (news.length) window.dispatchEvent(new Event(JOB_ENDED));
    if (allowed() === "granted") {
      news.filter((each) => this.claim("desktop", each)).forEach((each) => this.tellDesktop(each));
    }
    if (!onScreen()) return;
    this.toasts.tell(news.filter((each) => this.claim("toast", each)));
  }

  /** Whether a notice was not told yet in this browser; at one instant two windows may both do it. */
  claim(how, { id }) {
    const key = `fivefold-${how}-${this.user}`;
    try {
      const told = JSON.parse(localStorage.getItem(key) ?? "[]");
      if (told.includes(id)) return false;
      localStorage.setItem(key, JSON.stringify([...told, id].slice(-REMEMBERED)));
    } catch {} // no storage: it is told in every tab
    return true;
  }

  tellDesktop({ id, title, text, href }) {
    try {
      const notification = new Notification(title, { body: text, tag: id });
      notification.addEventListener("click", () => {
        window.focus();
        notification.close();
        this.open(href);
      });
    } catch {} // phones have the class, but only service workers may use it
  }
}

/** The list that the bell opens. */
class Panel {
  constructor({ open, all, read }) {
    this.open = open;
    this.markAll = el("button", { type: "button", className: "plain", text: _("Mark all as read"), on: { click: read } });
    this.list = el("ul", { className: "notices" });
    this.none = el("p", { className: "none", text: _("Nothing yet. When your images and videos are ready, you are told here.") });
    this.trouble = el("p", { className: "hint bad", role: "status" });
    this.hint = el("p", { className: "hint" });
    this.allow = el("button", { type: "button", className: "plain", text: _("Show on this desktop too"), on: { click: () => this.askBrowser() } });
    this.node = el("div", { className: "panel", popover: "auto", role: "dialog", "aria-label": _("Notifications"), tabIndex: -1, autofocus: true },
      el("div", { className: "top" }, el("h2", { text: _("Notifications") }), this.markAll),
      this.trouble,
      this.list,
      this.none,
      el("div", { className: "foot" }, link(ALL_NOTICES, all, { text: _("All notifications") }), this.allow, this.hint));
    this.node.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget && relatedTarget !== this.button && !this.node.contains(relatedTarget)) this.node.hidePopover();
    });
  }

  belongTo(button) {
    this.button = button;
    button.popoverTargetElement = this.node;
    const place = () => {
      const { bottom, right } = button.getBoundingClientRect();
      this.node.style.setProperty("--below", `${bottom}px`);
      this.node.style.setProperty("--right", `${innerWidth - right}px`);
    };
    this.node.addEventListener("beforetoggle", ({ newState }) => {
      const opens = newState === "open";
      const change = opens ? addEventListener : removeEventListener;
      change("resize", place);
      change("scroll", place, true);
      if (opens) {
        place();
        this.showPermission();
        this.list.querySelectorAll("time").forEach(tellTime);
      } else if (this.node.contains(this.node.getRootNode().activeElement)) button.focus();
    });
  }

  change(unread, notices) {
    keepFocus(this.node, () => {
      this.markAll.hidden = !unread;
      this.none.hidden = notices.length > 0;
      // One that was tried again and failed again has another time, and is another line.
      const lines = notices.map((each) => ({ ...each, id: `${each.id} ${each.time}` }));
      reconcile(this.list, lines, (notice) => this.makeLine(notice), changeLine);
    }, () => this.node);
  }

  makeLine(notice) {
    return el("li", { className: notice.failed ? "failed" : "", "data-testid": "bell-notice" },
      link(notice.href, () => this.open(notice), {},
        icon(notice.failed ? "alert" : "bell"),
        words(notice, el("time", { dateTime: notice.time })),
        el("span", { className: "dot" }),
        el("span", { className: "unseen", text: _("Unread") })));
  }

  setTrouble(sentence) {
    setText(this.trouble, sentence ?? "");
  }

  showPermission() {
    const state = allowed();
    keepFocus(this.node, () => { this.allow.hidden = state !== "default"; }, () => this.node);
    setText(this.hint, DESKTOP[state] ? _(DESKTOP[state]) : "");
  }

  async askBrowser() {
    await Notification.requestPermission();
    this.showPermission();
  }
}

function changeLine(line, notice) {
  line.classList.toggle("unread", notice.unread);
  line.querySelector(".unseen").hidden = !notice.unread;
  tellTime(line.querySelector("time"));
}

function tellTime(node) {
  const moment = new Date(node.dateTime);
  setText(node, timeText(moment));
  node.title = moment.toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });
}

function timeText(moment) {
  const minutes = Math.floor((Date.now() - moment) / 60_000);
  if (minutes < 1) return _("just now");
  const relative = new Intl.RelativeTimeFormat(locale(), { numeric: "auto" });
  if (minutes < 60) return relative.format(-minutes, "minute");
  if (minutes < 24 * 60) return relative.format(-Math.floor(minutes / 60), "hour");
  if (minutes < 7 * 24 * 60) return relative.format(-Math.floor(minutes / (24 * 60)), "day");
  return moment.toLocaleDateString(locale(), { dateStyle: "medium" });
}

/** Where the browser stands on notifications of this page; null where it cannot show any. */
function allowed() {
  return isSecureContext && "Notification" in window ? Notification.permission : null;
}

function onScreen() {
  return document.visibilityState === "visible";
}

/** The job whose page is open. */
function openJob() {
  return openPath() === "/job" ? new URLSearchParams(location.search).get("id") : null;
}
