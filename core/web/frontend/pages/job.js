import { clock } from "../item/player.js";
import { Tiles } from "../item/tile.js";
import { at, inLanguage, visit } from "../kit/address.js";
import { component } from "../kit/component.js";
import { el, keepFocus, link, reconcile, setText, showText } from "../kit/dom.js";
import { ANSWERED_MS, EventStream, LOGGED_OUT } from "../kit/event_stream.js";
import { _ } from "../kit/i18n.js";
import { icon, petals } from "../kit/icons.js";

const TITLE = "Fivefold";
const SEEN_MS = 3_000; // that it is ready, in the tab's title
const LATE = 1.3; // times what was expected: then nothing is expected any more


export default component(["kit/dialogs.css", "item/lightbox.css", "item/tile.css", "pages/job.css"], (root) => new JobView(root));

class JobView {
  constructor(parent) {
    this.heading = new Heading(this);
    this.sections = el("div", { className: "sections" });
    this.facts = el("section", { className: "facts", "aria-label": _("How it was made"), hidden: true });
    this.tiles = new Tiles({
      go: visit,
      changed: (items, gone) => {
        this.change({ tiles: items, gone });
        if (gone.length) this.stream.look(); // what is said of them all
      },
      restored: () => this.stream.look(),
    });
    this.root = el("div", { className: "ff job", "data-testid": "job" },
      this.heading.node, this.sections, this.facts, ...this.tiles.nodes);
    parent.append(this.root);
    this.title = new TabTitle();
    this.stream = new EventStream(this.root, {
      hear: (name, said) => this.hear(name, said),
      goesOn: () => this.shown.job.active,
      trouble: (sentence) => this.heading.setTrouble(sentence),
      gone: () => this.close(),
    });
  }

  /** Show what the page was drawn with, unless something newer is on the screen already. */
  update(data) {
    this.data = data;
    this.heading.setNote(data.note);
    if (!(this.shown?.job.id === data.job.id && this.shown.now >= data.now)) this.show(data);
    const query = new URLSearchParams({ zone: data.zone, ...(data.share && { share: data.share }) });
    const path = (name) => inLanguage(`/jobs/${data.job.id}/${name}?${query}`);
    this.stream.follow(path("events"), path("live"));
  }

  hear(name, said) {
    const before = this.shown.job;
    if (name === "patch") this.change(said);
    else if (name === "snapshot" || said.now >= this.shown.now) this.show(said);
    const { job } = this.shown;
    if (before.active && !job.active) {
      this.tiles.snack.say(job.toast);
      this.title.ready(job.status === "Completed" ? _("Ready") : job.label);
    }
  }

  /** Show what has changed. */
  change({ now, job, facts, counts = {}, tiles = [], gone = [] }) {
    const changed = new Map(tiles.map((tile) => [tile.id, tile]));
    const { shown } = this;
    const sections = shown.sections.map((section) => ({
      ...section,
      count: counts[section.kind] ?? section.count,
      items: section.items.filter(({ id }) => !gone.includes(id)).map((item) => changed.get(item.id) ?? item),
    }));
    this.show({ now: now ?? shown.now, job: job ?? shown.job, facts: facts ?? shown.facts, sections });
  }

  show(shown) {
    this.shown = shown;
    this.behind = Date.now() - Date.parse(shown.now); // what this clock says beyond the server's
    this.heading.update(shown.job);
    const sections = shown.sections.map((each) => ({ ...each, id: each.kind }));
    reconcile(this.sections, sections, makeSection, (node, section) => this.changeSection(node, section));
    this.facts.hidden = !shown.facts;
    if (shown.facts) this.changeFacts(shown.facts);
    if (shown.job.active) {
      this.title.tell(_("{percent} %", { percent: shown.job.percent }));
      this.clock ??= setInterval(() => this.tick(), 1_000);
    }
    this.tick();
  }

  /** Bring up to date what changes by itself. */
  tick() {
    if (!this.root.isConnected) this.stream.stop();
    if (!this.root.isConnected || !this.shown.job.active) {
      clearInterval(this.clock);
      this.clock = null;
      this.title.giveBack(this.root.isConnected);
      return;
    }
    for (const tile of this.sections.querySelectorAll(".tile")) {
      const node = tile.querySelector(".elapsed");
      if (node) setText(node, this.elapsed(tile.item));
    }
  }

  elapsed({ begun, expected }) {
    if (!begun) return "";
    const elapsed = (Date.now() - this.behind - Date.parse(begun)) / 1_000;
    if (!expected || elapsed > LATE * expected) return clock(elapsed);
    return _("{elapsed} of about {expected}", { elapsed: clock(elapsed), expected: clock(Math.max(expected, 1)) });
  }

  changeSection(node, section) {
    const [heading, grid] = node.children;
    setText(heading.querySelector(".count"), section.count);
    const portrait = section.items.length && section.items.every((item) => item.height > item.width);
    grid.classList.toggle("portrait", Boolean(portrait));
    const even = new Set(section.items.map((item) => item.width / item.height)).size <= 1;
    reconcile(grid, section.items, makeTile, (tile, item) => this.changeTile(tile, item, even));
  }

  changeTile(tile, item, even) {
    const ratio = Math.max(0.4, Math.min(2.6, item.width / item.height)); // what is longer is cropped
    tile.style.setProperty("--ratio", even ? ratio : item.kind === "video" ? "16 / 9" : "1");
    if (tile.given === item) return;
    tile.given = item;
    keepFocus(tile, () => this.showTile(tile, item), () => tile.querySelector(".facts-line"));
  }

  showTile(tile, item) {
    if (tile.dataset.state !== item.state) {
      const arrives = tile.dataset.state && item.state === "done";
      tile.dataset.state = item.state;
      tile.classList.toggle("arrives", Boolean(arrives));
      tile.replaceChildren(...(item.state === "done" ? this.tiles.finished(tile, item) : unfinished(this.tiles.info(tile, item))));
      tile.setAttribute("aria-label", item.name);
    }
    tile.item = item;
    if (item.state === "done") return this.tiles.update(tile, item);
    const partial = tile.querySelector(".partial");
    partial.hidden = !item.partial;
    if (item.partial && partial.getAttribute("src") !== at(item.partial)) partial.src = at(item.partial);
    setText(tile.querySelector(".name"), item.name);
    setText(tile.querySelector(".label"), item.label);
    setText(tile.querySelector(".message"), item.message);
    setText(tile.querySelector(".elapsed"), this.elapsed(item));
    const bar = tile.querySelector(".bar");
    bar.hidden = !["drawing", "saving"].includes(item.state);
    bar.classList.toggle("unsure", item.percent === null);
    bar.firstElementChild.style.setProperty("--share", (item.percent ?? 100) / 100);
    if (item.percent === null) bar.removeAttribute("aria-valuenow");
    else bar.setAttribute("aria-valuenow", item.percent);
    bar.setAttribute("aria-label", _("{name}: {label}", { name: item.name, label: item.label }));
    const [small, large] = [true, false].map((corner) => item.acts.filter(({ name }) => corner === name in SMALL));
    this.changeActs(tile.querySelector(".corner .acts"), small);
    this.changeActs(tile.querySelector(".under .acts"), large);
  }

  /** Make a row hold these buttons. */
  changeActs(row, acts) {
    reconcile(row, acts.map((act) => ({ ...act, id: act.name })), (act) => this.makeAct(act), (button, act) => { button.act = act; });
  }

  makeAct({ name, on, text, label, href }) {
    if (href) return el("a", { href, className: "button", "aria-label": label, download: "" }, text);
    const small = on !== null && SMALL[name];
    const button = el("button", { type: "button", className: small ? "icon-button" : "button", title: small ? label : null, "aria-label": label },
      small ? icon(small) : text);
    button.addEventListener("click", () => {
      const { question } = button.act;
      if (button.ariaDisabled === "true") return;
      if (question) this.tiles.question.open(question, button, () => this.ask(button));
      else this.ask(button);
    });
    return button;
  }

  /** Have done what a button asks for, and show what came of it. */
  async ask(button) {
    const { name, on } = button.act;
    button.ariaDisabled = "true"; // one that is disabled would lose the focus
    const refusal = await this.post({ name, on });
    if (!refusal) await this.stream.look();
    button.ariaDisabled = null;
    this.heading.setRefusal(refusal);
  }

  /** Send what is asked for; returns why it was not done, or nothing. */
  async post(asked) {
    try {
      const answer = await fetch(inLanguage(`/jobs/${this.shown.job.id}/acts`), {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(asked),
        signal: AbortSignal.timeout(ANSWERED_MS),
      });
      if (answer.status === LOGGED_OUT) return location.reload();
      return answer.ok ? "" : (await answer.json()).detail;
    } catch {
      return _("Fivefold does not answer, so that was not done. Please try again.");
    }
  }

  changeFacts(facts) {
    const said = JSON.stringify(facts);
    if (said === this.said) return;
    this.said = said;
    this.facts.replaceChildren(
      el("h2", { text: _("How it was made") }),
      el("dl", {}, ...facts.map(([label, text]) => el("div", {}, el("dt", { text: label }), el("dd", { text })))));
  }

  /** Show nothing of it any more. */
  close() {
    const shared = Boolean(this.data.share);
    this.title.giveBack(false);
    this.root.replaceChildren(el("div", { className: "gone", role: "alert" },
      el("h1", { text: shared ? _("This link has ended") : _("There is nothing here any more") }),
      el("p", { text: shared ? _("It leads to nothing any more. Ask whoever gave it to you for a new one.") : _("It was removed, or lies in the bin.") }),
      link("/", () => visit("/"), { className: "button primary", text: shared ? _("Go to Fivefold") : _("Go to your work") })));
  }
}

const SMALL = { cancel: "close", first: "first" }; // acts on an item that are shown as an icon

function makeSection({ kind, title }) {
  const heading = el("h2", { id: `title-${kind}` }, el("span", { text: title }), el("span", { className: "count" }));
  return el("section", { "aria-labelledby": heading.id, "data-testid": `${kind}s` }, heading, el("div", { className: `grid ${kind}s` }));
}

function makeTile(item) {
  return el("article", { className: `tile ${item.kind}`, "data-testid": "tile" });
}

function unfinished(info) {
  return [
    el("div", { className: "frame" },
      el("img", { className: "partial", alt: "", hidden: true }),
      el("div", { className: "veil" }, petals(44)),
      el("span", { className: "elapsed", "aria-hidden": "true" }),
      el("div", { className: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, el("span"))),
    el("div", { className: "corner" }, el("div", { className: "acts" }), info),
    el("div", { className: "under" },
      el("div", { className: "caption" },
        el("span", { className: "facts-line", tabIndex: -1 }, el("span", { className: "name" }), " · ", el("span", { className: "label" })),
        el("span", { className: "message" })),
      el("div", { className: "acts" })),
  ];
}

/** The tab's title while something is made; afterwards the page's own, once that was seen. */
class TabTitle {
  tell(text) {
    clearTimeout(this.timer);
    if (document.title !== this.told) this.own = document.title;
    this.told = `${text} · ${TITLE}`;
    document.title = this.told;
  }

  ready(text) {
    this.tell(text);
    this.isReady = true;
    const seen = () => {
      if (document.hidden) return document.addEventListener("visibilitychange", seen, { once: true });
      this.timer = setTimeout(() => { this.isReady = false; this.giveBack(false); }, SEEN_MS);
    };
    seen();
  }

  /** Show the page's own title again; `soon`: not before it was seen that it is ready. */
  giveBack(soon) {
    if (soon && this.isReady) return;
    if (this.told && document.title === this.told) document.title = this.own;
  }
}

/** The top of a job's page: prompt, where it stands, how far it is, what can be done. */
class Heading {
  constructor(view) {
    this.view = view;
    this.chip = el("span", { className: "chip", "data-testid": "status" });
    this.time = el("span", { className: "time" });
    this.prompt = el("h1", { dir: "auto", "data-testid": "prompt" });
    this.whole = el("button", { type: "button", className: "whole", text: _("Show the whole prompt"), hidden: true,
      on: { click: () => { this.prompt.classList.remove("cut"); this.whole.hidden = true; } } });
    this.sentence = el("p", { className: "sentence", role: "status", tabIndex: -1 });
    this.acts = el("div", { className: "acts" });
    this.bar = el("div", { className: "bar", role: "progressbar", "aria-label": _("All items"), "aria-valuemin": 0, "aria-valuemax": 100 }, el("span"));
    this.ready = el("span", { className: "ready" });
    this.meter = el("div", { className: "meter" }, this.bar, this.ready);
    this.trouble = el("p", { className: "trouble", role: "alert", hidden: true });
    this.refusal = el("p", { className: "trouble", role: "alert", hidden: true });
    this.turning = petals(40);
    this.job = el("header", { className: "heading" },
      el("div", { className: "line" }, this.chip, this.time), this.prompt, this.whole,
      el("div", { className: "state" }, this.turning, el("div", { className: "telling" }, this.sentence, this.meter), this.acts),
      this.trouble, this.refusal);
    this.note = el("p", { className: "note", "data-testid": "note", hidden: true });
    this.node = el("div", {}, this.note, this.job);
  }

  setNote(text) {
    showText(this.note, text);
  }

  setTrouble(text) {
    showText(this.trouble, text);
  }

  setRefusal(text) {
    showText(this.refusal, text);
  }

  update(job) {
    setText(this.chip, job.label);
    this.chip.dataset.status = job.status;
    setText(this.time, job.time);
    setText(this.prompt, job.prompt);
    if (this.shown !== job.id) {
      this.shown = job.id;
      const long = job.prompt.length > 220 || job.prompt.split("\n").length > 4;
      this.prompt.classList.toggle("cut", long);
      this.prompt.classList.toggle("long", job.prompt.length > 90);
      this.whole.hidden = !long;
    }
    setText(this.sentence, job.sentence);
    this.job.classList.toggle("active", job.active);
    this.meter.hidden = !job.active;
    this.bar.setAttribute("aria-valuenow", job.percent);
    this.bar.firstElementChild.style.setProperty("--share", job.percent / 100);
    setText(this.ready, [_("{percent}%", { percent: job.percent }), job.ready, job.left].filter(Boolean).join(" · "));
    keepFocus(this.job, () => this.view.changeActs(this.acts, job.acts), () => this.sentence);
  }
}
