// @ts-check
/** @import { Notice } from "../types" */
/** Shows notices: as a number, a list, toasts and on the desktop. */
import { inLanguage, openPath, visit } from "../kit/address.js";
import { JOB_ENDED } from "../kit/component.js";
import { el, setText } from "../kit/dom.js";
import { EventStream } from "../kit/event_stream.js";
import { _, N_ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";
import { ANSWER_MS, post } from "../kit/request.js";
import { recall, remember } from "../kit/storage.js";
import { desktopPermission, Panel } from "./bell_panel.js";
import { ALL_NOTICES, SEVERAL, Toasts } from "./toasts.js";

/**
 * The bell is on every page, and browsers open six connections for all tabs of a host together: a
 * stream of its own beside that of the page would leave three open tabs none to send anything by.
 */
const TIMES = { pollMs: 5_000, hiddenPollMs: 30_000 };
const LOCKED_MS = 10_000; // until all tabs see what one has stored
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
    const listener = {
      update: (/** @type {string} */ _name, /** @type {any} */ found) => this.receive(found, true),
      goesOn: () => true,
      trouble: (/** @type {string} */ sentence) => this.panel.setTrouble(sentence),
      gone: () => {},
    };
    this.stream = new EventStream(this.node, listener, TIMES);
  }

  /** @param {string} user who is logged in */
  update(user) {
    this.user = user;
    this.toasts.show();
    this.stream.follow("", inLanguage("/bell"));
    this.lookIfMoved();
  }

  /** Another page reads what it shows. */
  lookIfMoved() {
    const moved = this.place !== location.href;
    this.place = location.href;
    if (moved && this.known) this.stream.look();
  }

  /** @param {string} href */
  open(href) {
    if (this.node.isConnected) this.panel.node.hidePopover();
    visit(href);
  }

  /** @param {string} [job_id] what is read; without it, everything */
  async read(job_id) {
    try {
      const answer = await fetch(inLanguage("/bell/read"), {
        ...post({ job_id }),
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      const found = await answer.json();
      if (answer.ok) this.receive(found, false);
      else this.panel.setTrouble(found.detail);
    } catch {
      this.panel.setTrouble(_(NO_ANSWER));
    }
  }

  /**
   * Show notices; what the open page shows anyway is marked as read, where that `mayRead`.
   * @param {{ user: string, unread: number, notices: Notice[] }} found
   * @param {boolean} mayRead
   */
  receive({ user, unread, notices }, mayRead) {
    if (user !== this.user) {
      location.reload(); // somebody else has logged in, in another tab
      return;
    }
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
    else if (mayRead && unread && onScreen() && openPath() === ALL_NOTICES) this.read();
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
  async announce(unread) {
    const { known } = this;
    if (!known) return;
    const news = unread.filter((each) => !known.has(each.id));
    if (news.length) window.dispatchEvent(new Event(JOB_ENDED));
    if (desktopPermission() === "granted") {
      for (const each of await this.claimed("desktop", news)) this.showOnDesktop(each);
    }
    if (onScreen()) this.toasts.announce(await this.claimed("toast", news));
  }

  /**
   * Those of some notices that this tab is to show.
   * @param {"desktop" | "toast"} how
   * @param {Notice[]} notices
   */
  async claimed(how, notices) {
    const mine = await Promise.all(notices.map((each) => this.claim(how, each)));
    return notices.filter((_each, index) => mine[index]);
  }

  /**
   * Whether a notice was not shown yet in this browser. All tabs are told at one instant, before one
   * sees what another has stored: a lock decides. Without HTTPS there is none, and two may show it.
   * @param {"desktop" | "toast"} how
   * @param {Notice} notice
   */
  async claim(how, { id }) {
    const key = `fivefold-${how}-${this.user}`;
    const shown = () => recall("localStorage", key).split(" "); // no storage: it is shown in every tab
    if (shown().includes(id) || !(await locked(`${key}-${id}`))) return false;
    remember("localStorage", key, [...shown(), id].slice(-REMEMBERED).join(" "));
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

/**
 * Take a lock for a while; returns whether no other tab has it.
 * @param {string} name
 * @returns {Promise<boolean>}
 */
function locked(name) {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    const hold = (/** @type {Lock | null} */ lock) => {
      resolve(lock !== null);
      return lock && new Promise((release) => setTimeout(release, LOCKED_MS));
    };
    navigator.locks.request(name, { ifAvailable: true }, hold).catch(() => resolve(true));
  });
}

function onScreen() {
  return document.visibilityState === "visible";
}

/** The job whose page is open. */
function openJob() {
  return openPath() === "/job" ? new URLSearchParams(location.search).get("id") : null;
}
