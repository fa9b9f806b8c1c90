import { at } from "./address.js";
import { _ } from "./i18n.js";

const FIRST_MS = 5_000; // until a stream that was opened says something
const BEAT_MS = 12_000; // between two signs of life
const ASK_MS = 2_000; // between two questions where nothing can be pushed
const HIDDEN_ASK_MS = 5_000;
const HIDDEN_MS = 20_000; // a tab that nobody looks at keeps its stream for so long
const PUSH_AGAIN_MS = 30_000;
export const ANSWERED_MS = 20_000;
export const LOGGED_OUT = 401;
const NOTHING = 404;

/**
 * Keeps something on the page up to date: it is pushed while that works, and asked for otherwise.
 * `told`: `hear(name, data)` is given a `snapshot` or a `patch`, or what was `looked` up by asking,
 * which may be older than what was pushed (`now`); `goesOn()` tells whether more is to be expected; `trouble(sentence)` what is wrong, empty: nothing any more; `gone()` that it is over.
 */
export class EventStream {
  constructor(node, told) {
    this.node = node;
    this.told = told;
    this.again = 0; // when pushing is tried again
    this.turn = 0;
    document.addEventListener("visibilitychange", () => this.turned());
  }

  /** Follow what `pushed` tells as events and `asked` answers with once; stops by itself. */
  follow(pushed, asked) {
    const other = this.pushed !== pushed;
    Object.assign(this, { pushed, asked });
    if (this.going && !other) return;
    if (this.told.goesOn()) this.begin();
    else this.stop();
  }

  begin() {
    this.going = true;
    if (document.hidden) this.ask();
    else this.push();
  }

  stop() {
    this.going = false;
    this.turn += 1;
    this.hangUp();
    clearTimeout(this.timer);
  }

  hangUp() {
    clearTimeout(this.watchdog);
    this.source?.close();
    this.source = null;
  }

  push() {
    this.hangUp();
    clearTimeout(this.timer);
    const source = new EventSource(at(this.pushed));
    this.source = source;
    this.spoke = false;
    for (const name of ["snapshot", "patch", "ended", "gone", "trouble", "beat"]) {
      source.addEventListener(name, ({ data }) => { if (source === this.source) this.hear(name, JSON.parse(data)); });
    }
    source.addEventListener("error", () => { if (source === this.source) this.failed(); });
    this.expect(FIRST_MS);
  }

  expect(ms) {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.failed(), ms);
  }

  hear(name, data) {
    if (!this.node.isConnected) return this.stop();
    this.spoke = true;
    this.expect(BEAT_MS);
    if (name === "gone") return this.end();
    if (name === "trouble") return this.told.trouble(_("The database does not answer at the moment. What you see may be out of date."));
    if (name === "snapshot" || name === "patch") this.pass(name, data);
    if (name === "ended") this.stop();
  }

  pass(name, data) {
    this.told.trouble("");
    this.told.hear(name, data);
    if (!this.told.goesOn()) this.stop();
    else if (!this.going) this.begin();
  }

  end() {
    this.stop();
    this.told.gone();
  }

  /** Go on by asking; where the stream worked before, it is opened again with the first answer. */
  failed() {
    this.again = this.spoke ? 0 : Date.now() + PUSH_AGAIN_MS;
    this.hangUp();
    this.ask();
  }

  /** Ask, again and again. */
  async ask() {
    clearTimeout(this.timer);
    if (!this.node.isConnected) return this.stop();
    const answered = await this.look();
    if (!this.going || this.source || !this.node.isConnected) return;
    if (answered && !document.hidden && Date.now() >= this.again) return this.push();
    this.timer = setTimeout(() => this.ask(), document.hidden ? HIDDEN_ASK_MS : ASK_MS);
  }

  /** Ask once; tells whether there was an answer. */
  async look() {
    const turn = ++this.turn;
    let trouble = _("Fivefold does not answer at the moment. This page goes on by itself when it does.");
    try {
      const answer = await fetch(at(this.asked), { signal: AbortSignal.timeout(ANSWERED_MS) });
      if (answer.status === LOGGED_OUT) return location.reload(); // in another tab, or from elsewhere
      const said = await answer.json();
      if (turn !== this.turn) return false;
      if (answer.status === NOTHING) return this.end();
      if (answer.ok) {
        this.pass("looked", said);
        return true;
      }
      trouble = said.detail;
    } catch {} // said below
    if (turn === this.turn) this.told.trouble(trouble);
    return false;
  }

  turned() {
    clearTimeout(this.leaving);
    if (!this.node.isConnected) return;
    if (document.hidden) {
      // Browsers have six streams for all tabs of a host together.
      this.leaving = setTimeout(() => { if (this.source) { this.hangUp(); this.ask(); } }, HIDDEN_MS);
    } else if (!this.going) {
      this.look(); // what was done in another tab
    } else if (!this.source) {
      this.again = 0;
      this.push();
    }
  }
}
