// @ts-check
/** Keeps something on the page up to date: by Server-Sent Events while they work, by polling otherwise. */
import { at } from "./address.js";
import { _ } from "./i18n.js";
import { ANSWER_MS, LOGGED_OUT } from "./request.js";

const FIRST_MS = 5_000; // until a new stream sends its first event
const BEAT_MS = 12_000; // between two events
/** Times in milliseconds that differ between listeners. */
const TIMES = {
  pollMs: 2_000, // between two polls
  hiddenPollMs: 5_000, // the same in a hidden tab
  hiddenMs: 20_000, // a hidden tab keeps its stream for so long
};
const REOPEN_MS = 30_000; // until a stream that never worked is tried again
const NOTHING = 404;

/**
 * Receives the updates.
 * @typedef {object} Listener
 * @property {(name: "snapshot" | "patch" | "polled", data: any) => void} update
 *   `polled` may be older than what was pushed before (`now`)
 * @property {() => boolean} goesOn whether more updates are expected
 * @property {(sentence: string) => void} trouble what is wrong; empty: nothing
 * @property {() => void} gone there is no such thing any more
 */

export class EventStream {
  /**
   * @param {HTMLElement} node where it is shown; what was taken off the page is not kept up to date
   * @param {Listener} listener
   * @param {Partial<typeof TIMES>} times
   */
  constructor(node, listener, times = {}) {
    this.node = node;
    this.times = { ...TIMES, ...times };
    this.listener = listener;
    this.eventsPath = "";
    this.pollPath = "";
    this.going = false;
    this.worked = false; // whether the open stream has sent anything
    /** @type {EventSource | null} */
    this.source = null;
    this.pushAgainAt = 0;
    this.turn = 0; // of the latest poll; the response to an earlier one is out of date
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.watchdog = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.leaving = undefined;
    document.addEventListener("visibilitychange", () => this.visibilityChanged());
  }

  /**
   * Follow one thing by two routes; it stops by itself.
   * @param {string} eventsPath sends events; empty: it only polls
   * @param {string} pollPath responds with the whole once
   */
  follow(eventsPath, pollPath) {
    const other = this.eventsPath !== eventsPath;
    this.eventsPath = eventsPath;
    this.pollPath = pollPath;
    if (this.going && !other) return;
    if (this.listener.goesOn()) this.begin();
    else this.stop();
  }

  begin() {
    this.going = true;
    if (document.hidden || !this.eventsPath) this.poll();
    else this.open();
  }

  stop() {
    this.going = false;
    this.turn += 1;
    this.close();
    clearTimeout(this.timer);
  }

  close() {
    clearTimeout(this.watchdog);
    this.source?.close();
    this.source = null;
  }

  open() {
    this.close();
    clearTimeout(this.timer);
    const source = new EventSource(at(this.eventsPath));
    this.source = source;
    this.worked = false;
    for (const name of ["snapshot", "patch", "ended", "gone", "trouble", "beat"]) {
      source.addEventListener(name, ({ data }) => {
        if (source === this.source) this.receive(name, JSON.parse(data));
      });
    }
    source.addEventListener("error", () => {
      if (source === this.source) this.failed();
    });
    this.expect(FIRST_MS);
  }

  /** @param {number} ms until it counts as failed */
  expect(ms) {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.failed(), ms);
  }

  /**
   * @param {string} name
   * @param {any} data
   */
  receive(name, data) {
    if (!this.node.isConnected) {
      this.stop();
      return;
    }
    this.worked = true;
    this.expect(BEAT_MS);
    if (name === "gone") this.end();
    else if (name === "trouble")
      this.listener.trouble(_("The database does not answer at the moment. What you see may be out of date."));
    else if (name === "snapshot" || name === "patch") this.pass(name, data);
    else if (name === "ended") this.stop(); // a beat only shows that the stream works
  }

  /**
   * @param {"snapshot" | "patch" | "polled"} name
   * @param {any} data
   */
  pass(name, data) {
    this.listener.trouble("");
    this.listener.update(name, data);
    if (!this.listener.goesOn()) this.stop();
    else if (!this.going) this.begin();
  }

  end() {
    this.stop();
    this.listener.gone();
  }

  /** Poll; a stream that worked before is opened again after the first response. */
  failed() {
    this.pushAgainAt = this.worked ? 0 : Date.now() + REOPEN_MS;
    this.close();
    this.poll();
  }

  /** Ask again and again. */
  async poll() {
    clearTimeout(this.timer);
    if (!this.node.isConnected) {
      this.stop();
      return;
    }
    const answered = await this.look();
    if (!this.going || this.source || !this.node.isConnected) return;
    if (answered && this.eventsPath && !document.hidden && Date.now() >= this.pushAgainAt) {
      this.open();
      return;
    }
    this.timer = setTimeout(() => this.poll(), document.hidden ? this.times.hiddenPollMs : this.times.pollMs);
  }

  /** Ask once; returns whether there was a response. */
  async look() {
    this.turn += 1;
    const turn = this.turn;
    let trouble = _("Fivefold does not answer at the moment. This page goes on by itself when it does.");
    try {
      const answer = await fetch(at(this.pollPath), { signal: AbortSignal.timeout(ANSWER_MS) });
      if (answer.status === LOGGED_OUT) {
        location.reload(); // in another tab, or from elsewhere
        return false;
      }
      const found = await answer.json();
      if (turn !== this.turn) return false;
      if (answer.status === NOTHING) {
        this.end();
        return false;
      }
      if (answer.ok) {
        this.pass("polled", found);
        return true;
      }
      trouble = found.detail;
    } catch {
      // `trouble` is shown below
    }
    if (turn === this.turn) this.listener.trouble(trouble);
    return false;
  }

  visibilityChanged() {
    clearTimeout(this.leaving);
    if (!this.node.isConnected) return;
    if (document.hidden) {
      // Browsers have six streams for all tabs of a host together.
      this.leaving = setTimeout(() => {
        if (!this.source) return;
        this.close();
        this.poll();
      }, this.times.hiddenMs);
    } else if (!this.going) {
      this.look(); // what was done in another tab
    } else if (!this.source) {
      this.pushAgainAt = 0;
      this.begin();
    }
  }
}
