// @ts-check
/** @import { Language } from "../kit/component.js" */
/** @import { Item, JobPatch, JobSnapshot, Section, Tile } from "../types" */
/** A job: drawn as it stands, and kept up to date from then on. */
import { clock } from "../item/playback.js";
import { Tiles } from "../item/tile.js";
import { at, inLanguage, visit } from "../kit/address.js";
import { component } from "../kit/component.js";
import { el, find, keepFocus, link, reconcile, setText } from "../kit/dom.js";
import { EventStream } from "../kit/event_stream.js";
import { _ } from "../kit/i18n.js";
import { petals } from "../kit/icons.js";
import { isSmall, JobActions } from "./job_actions.js";
import { Heading } from "./job_heading.js";
import { TabTitle } from "./tab_title.js";

const LATE = 1.3; // times what was expected: then nothing is expected any more
const TICK_MS = 1_000;

/** @typedef {Language & JobSnapshot & { note: string, zone: string, share: string }} Data */

export default component(
  ["kit/dialogs.css", "item/lightbox.css", "item/tile.css", "pages/job.css"],
  (root, /** @type {Data} */ data) => new JobView(root, data),
);

class JobView {
  /**
   * @param {ShadowRoot} parent
   * @param {Data} data
   */
  constructor(parent, data) {
    this.data = data;
    /** @type {JobSnapshot} */
    this.shown = data;
    this.behindMs = 0; // of the server's clock, compared with this one
    this.factsShown = "";
    /** @type {ReturnType<typeof setInterval> | null} */
    this.clock = null;
    /** @type {WeakMap<Tile, Item>} */
    this.drawn = new WeakMap();
    this.title = new TabTitle();
    this.tiles = new Tiles({
      go: visit,
      changed: (items, gone) => {
        this.change({ tiles: items, gone });
        if (gone.length) this.stream.look(); // the job's own sentence changes, too
      },
      restored: () => this.stream.look(),
    });
    this.actions = new JobActions(this.tiles.actions.question, {
      jobId: () => this.shown.job.id,
      done: () => this.stream.look(),
      refused: (refusal) => this.heading.setRefusal(refusal),
    });
    this.heading = new Heading(this.actions);
    this.sections = el("div", { className: "sections" });
    this.facts = el("section", { className: "facts", "aria-label": _("How it was made"), hidden: true });
    const parts = [this.heading.node, this.sections, this.facts, ...this.tiles.nodes];
    this.root = el("div", { className: "ff job", "data-testid": "job" }, ...parts);
    parent.append(this.root);
    this.stream = new EventStream(this.root, {
      update: (name, found) => this.receive(name, found),
      goesOn: () => this.shown.job.active,
      trouble: (sentence) => this.heading.setTrouble(sentence),
      gone: () => this.close(),
    });
    this.show(data);
  }

  /**
   * Show what the page was drawn with, unless something newer is on the screen already.
   * @param {Data} data
   */
  update(data) {
    this.data = data;
    this.heading.setNote(data.note);
    if (this.shown.job.id !== data.job.id || this.shown.now < data.now) this.show(data);
    const query = new URLSearchParams({ zone: data.zone, ...(data.share && { share: data.share }) });
    const path = (/** @type {string} */ name) => inLanguage(`/jobs/${data.job.id}/${name}?${query}`);
    this.stream.follow(path("events"), path("live"));
  }

  /**
   * @param {string} name
   * @param {any} found a snapshot or a patch
   */
  receive(name, found) {
    const before = this.shown.job;
    if (name === "patch") this.change(found);
    else if (name === "snapshot" || found.now >= this.shown.now) this.show(found);
    const { job } = this.shown;
    if (!before.active || job.active) return;
    this.tiles.actions.snackbar.show(job.toast);
    this.title.showReady(job.status === "Completed" ? _("Ready") : job.label);
  }

  /**
   * Show what has changed.
   * @param {JobPatch} patch
   */
  change({ now, job, facts, counts = {}, tiles = [], gone = [] }) {
    const changed = new Map(tiles.map((item) => [item.id, item]));
    const { shown } = this;
    const sections = shown.sections.map((section) => ({
      ...section,
      count: counts[section.kind] ?? section.count,
      items: section.items.filter(({ id }) => !gone.includes(id)).map((item) => changed.get(item.id) ?? item),
    }));
    this.show({ now: now ?? shown.now, job: job ?? shown.job, facts: facts ?? shown.facts, sections });
  }

  /** @param {JobSnapshot} shown */
  show(shown) {
    this.shown = shown;
    this.behindMs = Date.now() - Date.parse(shown.now);
    this.heading.update(shown.job);
    const sections = shown.sections.map((each) => ({ ...each, id: each.kind }));
    reconcile(this.sections, sections, makeSection, (node, section) => this.changeSection(node, section));
    this.showFacts(shown.facts);
    if (shown.job.active) {
      this.title.show(_("{percent} %", { percent: shown.job.percent }));
      this.clock ??= setInterval(() => this.tick(), TICK_MS);
    }
    this.tick();
  }

  /** Bring up to date what changes by itself. */
  tick() {
    const { isConnected } = this.root;
    if (!isConnected) this.stream.stop();
    if (!isConnected || !this.shown.job.active) {
      clearInterval(this.clock ?? undefined);
      this.clock = null;
      if (isConnected) this.title.giveBackOnceSeen();
      else this.title.giveBack();
      return;
    }
    const tiles = /** @type {NodeListOf<Tile>} */ (this.sections.querySelectorAll(".tile"));
    for (const tile of tiles) {
      const node = tile.querySelector(".elapsed");
      if (node) setText(node, this.elapsed(tile.item));
    }
  }

  /** @param {Item} item */
  elapsed({ begun, expected }) {
    if (!begun) return "";
    const elapsed = (Date.now() - this.behindMs - Date.parse(begun)) / 1_000;
    if (!expected || elapsed > LATE * expected) return clock(elapsed);
    return _("{elapsed} of about {expected}", { elapsed: clock(elapsed), expected: clock(Math.max(expected, 1)) });
  }

  /**
   * @param {HTMLElement} node
   * @param {Section} section
   */
  changeSection(node, { count, items }) {
    setText(find(node, ".count"), count);
    const grid = find(node, ".grid");
    grid.classList.toggle("portrait", items.length > 0 && items.every((item) => item.height > item.width));
    const even = new Set(items.map((item) => item.width / item.height)).size <= 1;
    reconcile(grid, items, makeTile, (tile, item) => this.changeTile(/** @type {Tile} */ (tile), item, even));
  }

  /**
   * @param {Tile} tile
   * @param {Item} item
   * @param {boolean} even whether all of the section have one shape
   */
  changeTile(tile, item, even) {
    const ratio = Math.max(0.4, Math.min(2.6, item.width / item.height)); // what is longer is cropped
    const usual = item.kind === "video" ? "16 / 9" : "1";
    tile.style.setProperty("--ratio", even ? String(ratio) : usual);
    if (this.drawn.get(tile) === item) return;
    this.drawn.set(tile, item);
    keepFocus(
      tile,
      () => this.showTile(tile, item),
      () => find(tile, ".facts-line"),
    );
  }

  /**
   * @param {Tile} tile
   * @param {Item} item
   */
  showTile(tile, item) {
    const done = item.state === "done";
    if (tile.dataset.state !== item.state) {
      tile.classList.toggle("arrives", Boolean(tile.dataset.state) && done);
      tile.dataset.state = item.state;
      tile.replaceChildren(...(done ? this.tiles.finished(tile, item) : unfinished(this.tiles.info(tile, item))));
      tile.setAttribute("aria-label", item.name);
    }
    tile.item = item;
    if (done) this.tiles.update(tile, item);
    else this.showUnfinished(tile, item);
  }

  /**
   * @param {Tile} tile
   * @param {Item} item
   */
  showUnfinished(tile, item) {
    const partial = /** @type {HTMLImageElement} */ (find(tile, ".partial"));
    partial.hidden = !item.partial;
    if (item.partial && partial.getAttribute("src") !== at(item.partial)) partial.src = at(item.partial);
    for (const name of /** @type {const} */ (["name", "label", "message"])) setText(find(tile, `.${name}`), item[name]);
    setText(find(tile, ".elapsed"), this.elapsed(item));
    const bar = find(tile, ".bar");
    bar.hidden = !["drawing", "saving"].includes(item.state);
    bar.classList.toggle("unsure", item.percent === null);
    find(bar, "span").style.setProperty("--share", String((item.percent ?? 100) / 100));
    if (item.percent === null) bar.removeAttribute("aria-valuenow");
    else bar.setAttribute("aria-valuenow", String(item.percent));
    bar.setAttribute("aria-label", _("{name}: {label}", { name: item.name, label: item.label }));
    this.actions.show(find(tile, ".corner .acts"), item.acts.filter(isSmall));
    this.actions.show(
      find(tile, ".under .acts"),
      item.acts.filter((action) => !isSmall(action)),
    );
  }

  /** @param {[string, string][]} facts */
  showFacts(facts) {
    this.facts.hidden = !facts;
    const shown = JSON.stringify(facts);
    if (!facts || shown === this.factsShown) return;
    this.factsShown = shown;
    const list = facts.map(([label, text]) => el("div", {}, el("dt", { text: label }), el("dd", { text })));
    this.facts.replaceChildren(el("h2", { text: _("How it was made") }), el("dl", {}, ...list));
  }

  /** Show nothing of it any more. */
  close() {
    this.title.giveBack();
    const [title, text, way] = this.data.share
      ? [
          _("This link has ended"),
          _("It leads to nothing any more. Ask whoever gave it to you for a new one."),
          _("Go to Fivefold"),
        ]
      : [_("There is nothing here any more"), _("It was removed, or lies in the bin."), _("Go to your work")];
    const onward = link("/", () => visit("/"), { className: "button primary", text: way });
    const parts = [el("h1", { text: title }), el("p", { text }), onward];
    this.root.replaceChildren(el("div", { className: "gone", role: "alert" }, ...parts));
  }
}

/** @param {Section} section */
function makeSection({ kind, title }) {
  const heading = el("h2", { id: `title-${kind}` }, el("span", { text: title }), el("span", { className: "count" }));
  const props = { "aria-labelledby": heading.id, "data-testid": `${kind}s` };
  return el("section", props, heading, el("div", { className: `grid ${kind}s` }));
}

/** @param {Item} item */
function makeTile({ kind }) {
  return el("article", { className: `tile ${kind}`, "data-testid": "tile" });
}

/** @param {HTMLElement} info the button that opens its details */
function unfinished(info) {
  const progress = { className: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 };
  const words = [el("span", { className: "name" }), " · ", el("span", { className: "label" })];
  return [
    el(
      "div",
      { className: "frame" },
      el("img", { className: "partial", alt: "", hidden: true }),
      el("div", { className: "veil" }, petals(44)),
      el("span", { className: "elapsed", "aria-hidden": "true" }),
      el("div", progress, el("span")),
    ),
    el("div", { className: "corner" }, el("div", { className: "acts" }), info),
    el(
      "div",
      { className: "under" },
      el(
        "div",
        { className: "caption" },
        el("span", { className: "facts-line", tabIndex: -1 }, ...words),
        el("span", { className: "message" }),
      ),
      el("div", { className: "acts" }),
    ),
  ];
}
