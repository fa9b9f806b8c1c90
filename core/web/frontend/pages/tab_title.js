// @ts-check
/** The tab's title while something is made; afterwards the page's own, once that was seen. */

const PRODUCT = "Fivefold";
const SEEN_MS = 3_000; // that it is ready

export class TabTitle {
  constructor() {
    this.own = ""; // the page's
    this.shown = ""; // ours
    this.isReady = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** @param {string} text */
  show(text) {
    clearTimeout(this.timer);
    if (document.title !== this.shown) this.own = document.title;
    this.shown = `${text} · ${PRODUCT}`;
    document.title = this.shown;
  }

  /** @param {string} text */
  showReady(text) {
    this.show(text);
    this.isReady = true;
    const seen = () => {
      if (document.hidden) document.addEventListener("visibilitychange", seen, { once: true });
      else this.timer = setTimeout(() => this.giveBack(), SEEN_MS);
    };
    seen();
  }

  /** Show the page's own title again. */
  giveBack() {
    this.isReady = false;
    if (this.shown && document.title === this.shown) document.title = this.own;
  }

  /** The same, but not before it was seen that it is ready. */
  giveBackOnceSeen() {
    if (!this.isReady) this.giveBack();
  }
}
