// @ts-check
/** Keeping something on the page up to date: pushed while that works, asked for otherwise. */
import { at } from "./address.js";
import { _ } from "./i18n.js";
import { ANSWER_MS, LOGGED_OUT } from "./request.js";

const FIRST_MS = 5_000; // until a stream that was opened says something
const BEAT_MS = 12_000; // between two signs of life
const ASK_MS = 2_000; // between two questions where nothing can be pushed
const HIDDEN_ASK_MS = 5_000;
const HIDDEN_MS = 20_000; // a tab that nobody looks at keeps its stream for so long
const PUSH_AGAIN_MS = 30_000;
const NOTHING = 404;

/**
 * What is told of a stream.
 * @typedef {object} Listener
 * @property {(name: "snapshot" | "patch" | "polled", data: any) => void} hear
 *   `polled` is what was asked for, which may be older than what was pushed (`now`)
 * @property {() => boolean} goesOn whether more is to be expected
 * @property {(sentence: string) => void} trouble what is wrong; empty: nothing any more
 * @property {() => void} gone that it is over
 */

export class EventStream {
  /**
   * @param {HTMLElement} node where it is shown; what was taken off the page is not kept up to date
   * @param {Listener} listener
   */
  constructor(node, listener) {
    this.node = node;
    this.listener = listener;
    this.eventsPath = "";
    this.pollPath = "";
    this.going = false;
    this.heard = false; // anything of the stream that is open
    /** @type {EventSource | null} */
    this.source = null;
    this.pushAgainAt = 0;
    this.turn = 0; // of the latest question; what an earlier one answers is out of date
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.watchdog = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.leaving = undefined;
    document.addEventListener("visibilitychange", () => this.visibilityChanged());
  }

  /**
   * Follow what one route tells as events and the other answers with once; it stops by itself.
   * @param {string} eventsPath
   * @param {string} pollPath
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
    if (document.hidden) this.poll();
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
    this.heard = false;
    for (const name of ["snapshot", "patch", "ended", "gone", "trouble", "beat"]) {
      source.addEventListener(name, ({ data }) => {
        if (source === this.source) this.hear(name, JSON.parse(data));
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
  hear(name, data) {
    if (!this.node.isConnected) {
      this.stop();
      return;
    }
    this.heard = true;
    this.expect(BEAT_MS);
    if (name === "gone") this.end();
    else if (name === "trouble")
      this.listener.trouble(_("The database does not answer at the moment. What you see may be out of date."));
    else if (name === "snapshot" || name === "patch") this.pass(name, data);
    else if (name === "ended") this.stop();
  }

  /**
   * @param {"snapshot" | "patch" | "polled"} name
   * @param {any} data
   */
  pass(name, data) {
    this.listener.trouble("");
    this.listener.hear(name, data);
    if (!this.listener.goesOn()) this.stop();
    else if (!this.going) this.begin();
  }

  end() {
    this.stop();
    this.listener.gone();
  }

  /** Go on by asking; where the stream worked before, it is opened again with the first answer. */
  failed() {
    this.pushAgainAt = this.heard ? 0 : Date.now() + PUSH_AGAIN_MS;
    this.close();
    this.poll();
  }

  /** Ask, again and again. */
  async poll() {
    clearTimeout(this.timer);
    if (!this.node.isConnected) {
      this.stop();
      return;
    }
    const answered = await this.look();
    if (!this.going || this.source || !this.node.isConnected) return;
    if (answered && !document.hidden && Date.now() >= this.pushAgainAt) {
      this.open();
      return;
    }
    this.timer = setTimeout(() => this.poll(), document.hidden ? HIDDEN_ASK_MS : ASK_MS);
  }

  /** Ask once; returns whether there was an answer. */
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
      // said below
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
      }, HIDDEN_MS);
    } else if (!this.going) {
      this.look(); // what was done in another tab
    } else if (!this.source) {
      this.pushAgainAt = 0;
      this.open();
    }
  }
}
