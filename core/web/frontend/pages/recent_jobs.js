import { inLanguage, visit } from "../kit/address.js";
import { component } from "../kit/component.js";
import { el, link, reconcile, setText } from "../kit/dom.js";
import { EventStream } from "../kit/event_stream.js";
import { _ } from "../kit/i18n.js";
import { petals } from "../kit/icons.js";

const MORE = 8; // cards at a time
const KEPT = "fivefold-cards"; // how many are shown, for as long as the tab is open


export default component(["pages/recent_jobs.css"], (root) => new RecentJobs(root));

class RecentJobs {
  constructor(parent) {
    this.cards = el("div", { className: "cards" });
    this.more = el("button", { type: "button", className: "button more", text: _("Show more"), on: { click: () => this.showMore() } });
    this.trouble = el("p", { className: "trouble", role: "status", hidden: true });
    this.root = el("section", { className: "ff recent-jobs", "aria-label": _("Your recent work") },
      el("h2", { text: _("Your recent work") }), this.trouble, this.cards, this.more);
    parent.append(this.root);
    this.limit = Number(sessionStorage.getItem(KEPT)) || MORE;
    this.stream = new EventStream(this.root, {
      hear: (name, said) => this.hear(name, said),
      goesOn: () => this.shown.cards.some((card) => card.percent !== null),
      trouble: (sentence) => { this.trouble.hidden = !sentence; setText(this.trouble, sentence); },
      gone: () => {},
    });
  }

  update(data) {
    this.zone = data.zone;
    const newer = !this.shown || this.shown.now < data.now;
    if (newer && (!this.shown || this.limit === MORE)) this.show(data);
    this.follow();
    if (newer && this.limit > MORE) this.stream.look();
  }

  follow() {
    const query = new URLSearchParams({ zone: this.zone, limit: this.limit });
    this.stream.follow(inLanguage(`/events/cards?${query}`), inLanguage(`/events/cards/live?${query}`));
  }

  async showMore() {
    this.limit += MORE;
    this.follow();
    this.more.disabled = true;
    if (await this.stream.look()) sessionStorage.setItem(KEPT, this.limit);
    this.more.disabled = false;
  }

  hear(name, said) {
    if (name === "patch") {
      const changed = new Map(said.cards.map((card) => [card.id, card]));
      this.show({ ...this.shown, now: said.now, cards: this.shown.cards.map((card) => changed.get(card.id) ?? card) });
    } else if (name === "snapshot" || said.now >= this.shown.now) this.show(said);
  }

  show(shown) {
    this.shown = shown;
    this.more.hidden = !shown.more;
    reconcile(this.cards, shown.cards, makeCard, changeCard);
  }
}

function makeCard(card) {
  return link(card.href, () => visit(card.href), { className: "card", "data-testid": "job-card" },
    el("div", { className: "stills" }),
    el("div", { className: "words" },
      el("p", { className: "prompt", dir: "auto" }),
      el("div", { className: "line" }, el("span", { className: "chip" }), el("span", { className: "time" })),
      el("p", { className: "summary" }),
      el("div", { className: "bar", role: "progressbar", "aria-label": _("Progress"), "aria-valuemin": 0, "aria-valuemax": 100 }, el("span"))));
}

function changeCard(node, card) {
  if (node.given === card) return;
  node.given = card;
  const stills = node.querySelector(".stills");
  stills.dataset.count = card.stills.length;
  reconcile(stills, (card.stills.length ? card.stills : [""]).map((src) => ({ id: src })),
    ({ id }) => (id ? el("img", { src: id, alt: "", loading: "lazy" }) : el("div", { className: "none" }, petals(56))), () => {});
  setText(node.querySelector(".prompt"), card.prompt.trim().replace(/\s+/g, " ").slice(0, 240));
  const chip = node.querySelector(".chip");
  setText(chip, card.label);
  chip.dataset.status = card.status;
  setText(node.querySelector(".time"), card.time);
  setText(node.querySelector(".summary"), card.summary);
  const bar = node.querySelector(".bar");
  bar.hidden = card.percent === null;
  bar.setAttribute("aria-valuenow", card.percent ?? 100);
  bar.firstElementChild.style.setProperty("--share", (card.percent ?? 100) / 100);
  node.classList.toggle("active", card.percent !== null);
}
