// @ts-check
/** @import { Language } from "../kit/component.js" */
/** @import { JobCard } from "../types" */
/** The cards of recent jobs, which keep themselves up to date. */
import { inLanguage, visit } from "../kit/address.js";
import { component } from "../kit/component.js";
import { el, find, link, reconcile, setText, showText } from "../kit/dom.js";
import { EventStream } from "../kit/event_stream.js";
import { _ } from "../kit/i18n.js";
import { petals } from "../kit/icons.js";
import { recall, remember } from "../kit/storage.js";

const MORE = 8; // cards at a time
const LIMIT = "fivefold-cards"; // how many are shown, for as long as the tab is open
const PROMPT_CHARACTERS = 240;

/** @typedef {{ now: string, cards: JobCard[], more: boolean }} Shown */
/** @typedef {Language & Shown & { zone: string }} Data */

export default component(["pages/recent_jobs.css"], (root) => new RecentJobs(root));

class RecentJobs {
  /** @param {ShadowRoot} parent */
  constructor(parent) {
    /** @type {Shown} */
    this.shown = { now: "", cards: [], more: false };
    this.zone = "";
    this.limit = Number(recall("sessionStorage", LIMIT)) || MORE;
    this.cards = el("div", { className: "cards" });
    const more = { text: _("Show more"), on: { click: () => this.showMore() } };
    this.more = el("button", { type: "button", className: "button more", ...more });
    this.trouble = el("p", { className: "trouble", role: "status", hidden: true });
    const title = _("Your recent work");
    const heading = el("h2", { text: title });
    const props = { className: "ff recent-jobs", "aria-label": title };
    const root = el("section", props, heading, this.trouble, this.cards, this.more);
    parent.append(root);
    this.stream = new EventStream(root, {
      update: (name, found) => this.receive(name, found),
      goesOn: () => this.shown.cards.some((card) => card.percent !== null),
      trouble: (sentence) => showText(this.trouble, sentence),
      gone: () => {},
    });
  }

  /** @param {Data} data */
  update(data) {
    this.zone = data.zone;
    const first = !this.shown.now;
    const newer = this.shown.now < data.now;
    if (newer && (first || this.limit === MORE)) this.show(data);
    this.follow();
    if (newer && this.limit > MORE) this.stream.look();
  }

  follow() {
    const query = new URLSearchParams({ zone: this.zone, limit: String(this.limit) });
    this.stream.follow(inLanguage(`/events/cards?${query}`), inLanguage(`/events/cards/live?${query}`));
  }

  async showMore() {
    this.limit += MORE;
    this.follow();
    this.more.disabled = true;
    if (await this.stream.look()) remember("sessionStorage", LIMIT, String(this.limit));
    this.more.disabled = false;
  }

  /**
   * @param {string} name
   * @param {Shown} found
   */
  receive(name, found) {
    if (name === "patch") {
      const changed = new Map(found.cards.map((card) => [card.id, card]));
      const cards = this.shown.cards.map((card) => changed.get(card.id) ?? card);
      this.show({ ...this.shown, now: found.now, cards });
    } else if (name === "snapshot" || found.now >= this.shown.now) this.show(found);
  }

  /** @param {Shown} shown */
  show(shown) {
    this.shown = shown;
    this.more.hidden = !shown.more;
    reconcile(this.cards, shown.cards, makeCard, changeCard);
  }
}

/** @param {JobCard} card */
function makeCard({ href }) {
  const bar = { role: "progressbar", "aria-label": _("Progress"), "aria-valuemin": 0, "aria-valuemax": 100 };
  const words = el(
    "div",
    { className: "words" },
    el("p", { className: "prompt", dir: "auto" }),
    el("div", { className: "line" }, el("span", { className: "chip" }), el("span", { className: "time" })),
    el("p", { className: "summary" }),
    el("div", { className: "bar", ...bar }, el("span")),
  );
  const props = { className: "card", "data-testid": "job-card" };
  return link(href, () => visit(href), props, el("div", { className: "stills" }), words);
}

/** @type {WeakMap<HTMLElement, JobCard>} */
const drawn = new WeakMap();

/**
 * @param {HTMLElement} node
 * @param {JobCard} card
 */
function changeCard(node, card) {
  if (drawn.get(node) === card) return;
  drawn.set(node, card);
  const stills = find(node, ".stills");
  stills.dataset.count = String(card.stills.length);
  const sources = card.stills.length ? card.stills : [""];
  reconcile(
    stills,
    sources.map((id) => ({ id })),
    ({ id }) => still(id),
    () => {},
  );
  setText(find(node, ".prompt"), card.prompt.trim().replace(/\s+/g, " ").slice(0, PROMPT_CHARACTERS));
  const chip = find(node, ".chip");
  setText(chip, card.label);
  chip.dataset.status = card.status;
  setText(find(node, ".time"), card.time);
  setText(find(node, ".summary"), card.summary);
  const bar = find(node, ".bar");
  const percent = card.percent ?? 100;
  bar.hidden = card.percent === null;
  bar.setAttribute("aria-valuenow", String(percent));
  find(bar, "span").style.setProperty("--share", String(percent / 100));
  node.classList.toggle("active", card.percent !== null);
}

/** @param {string} src empty: there is none yet */
function still(src) {
  return src ? el("img", { src, alt: "", loading: "lazy" }) : el("div", { className: "none" }, petals(56));
}
