/** A job or a gallery. One Board lives as long as its place on the page; `update` changes it. */
const boards = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
  speak(data.language);
  let board = boards.get(parentElement);
  if (!board) {
    board = new Board(parentElement);
    boards.set(parentElement, board);
  }
  board.update(data, setTriggerValue);
}

class Board {
  constructor(parent) {
    this.asked = [];
    this.question = new Question();
    this.heading = new Heading(this);
    this.sections = el("div", { className: "sections" });
    this.facts = el("section", { className: "facts", "aria-label": "How it was made", hidden: true });
    this.tiles = new Tiles({ open: (id) => this.send("open", id), animate: (id) => this.send("animate", id) });
    this.root = el("div", { className: "ff board", "data-testid": "board" },
      this.heading.node, this.sections, this.facts, ...this.tiles.nodes, this.question.node);
    parent.append(this.root);
  }

  update(data, send) {
    this.send = send;
    this.asked = this.asked.filter((each) => each.at > (data.heard ?? 0));
    this.heading.update(data);
    reconcile(this.sections, data.sections.map((each) => ({ ...each, id: each.kind })),
      (section) => this.makeSection(section), (node, section) => this.changeSection(node, section));
    this.facts.hidden = !data.facts;
    if (data.facts) this.changeFacts(data.facts);
  }

  makeSection({ kind, title }) {
    const heading = el("h2", { id: `title-${kind}` }, el("span", { text: title }), el("span", { className: "count" }));
    return el("section", { "aria-labelledby": heading.id, "data-testid": `${kind}s` },
      heading,
      el("div", { className: `grid ${kind}s` }),
      el("button", { type: "button", className: "button more", text: `Show more ${kind}s`, on: { click: () => this.send("more", kind) } }));
  }

  changeSection(node, section) {
    const [heading, grid, more] = node.children;
    setText(heading.querySelector(".count"), section.count);
    const portrait = section.items.length && section.items.every((item) => item.height > item.width);
    grid.classList.toggle("portrait", Boolean(portrait));
    const even = new Set(section.items.map((item) => item.width / item.height)).size <= 1;
    reconcile(grid, section.items, (item) => this.makeTile(item), (tile, item) => this.changeTile(tile, item, even));
    more.hidden = !section.more;
  }

  makeTile(item) {
    return el("article", { className: `tile ${item.kind}`, "data-testid": "tile" });
  }

  changeTile(tile, item, even) {
    keepFocus(tile, () => this.showTile(tile, item, even), () => tile.querySelector(".facts-line"));
  }

  showTile(tile, item, even) {
    tile.style.setProperty("--ratio", even ? `${item.width} / ${item.height}` : item.kind === "video" ? "16 / 9" : "1");
    if (tile.dataset.state !== item.state) {
      const arrives = tile.dataset.state && item.state === "done";
      tile.dataset.state = item.state;
      tile.classList.toggle("arrives", Boolean(arrives));
      tile.replaceChildren(...(item.state === "done" ? this.tiles.finished(tile, item) : unfinished(this.tiles.info(tile, item))));
      tile.setAttribute("aria-label", item.name);
    }
    tile.item = item;
    if (item.state === "done") return;
    const partial = tile.querySelector(".partial");
    partial.hidden = !item.partial;
    if (item.partial && partial.getAttribute("src") !== item.partial) partial.src = item.partial;
    setText(tile.querySelector(".name"), item.name);
    setText(tile.querySelector(".label"), item.label);
    setText(tile.querySelector(".message"), item.message);
    const bar = tile.querySelector(".bar");
    bar.hidden = !["drawing", "saving"].includes(item.state);
    bar.classList.toggle("unsure", item.percent === null);
    bar.firstElementChild.style.setProperty("--share", (item.percent ?? 100) / 100);
    if (item.percent === null) bar.removeAttribute("aria-valuenow");
    else bar.setAttribute("aria-valuenow", item.percent);
    bar.setAttribute("aria-label", `${item.name}: ${item.label}`);
    this.changeActs(tile.querySelector(".acts"), item.acts);
  }

  /** Make a row hold these buttons. */
  changeActs(row, acts) {
    reconcile(row, acts.map((act) => ({ ...act, id: act.name })), (act) => this.makeAct(act), (button, act) => {
      button.act = act;
      button.classList.toggle("asked", this.asked.some((each) => each.name === act.name && each.on === act.on));
    });
  }

  makeAct({ name, on, text, label }) {
    const small = on !== null && name === "cancel";
    const button = el("button", { type: "button", className: small ? "icon-button" : "button", title: small ? label : null, "aria-label": label },
      small ? icon("close") : text);
    button.addEventListener("click", () => {
      const { question } = button.act;
      if (question) this.question.open(question, button, () => this.ask(button));
      else this.ask(button);
    });
    return button;
  }

  /** Tell what a button asks for, together with what has not been heard yet. */
  ask(button) {
    const { name, on } = button.act;
    this.asked.push({ at: performance.now(), name, on });
    button.classList.add("asked");
    this.send("ask", JSON.stringify(this.asked));
  }

  changeFacts(facts) {
    const said = JSON.stringify(facts);
    if (said === this.said) return;
    this.said = said;
    this.facts.replaceChildren(
      el("h2", { text: "How it was made" }),
      el("dl", {}, ...facts.map(([label, text]) => el("div", {}, el("dt", { text: label }), el("dd", { text })))));
  }
}

function unfinished(info) {
  return [
    el("div", { className: "frame" },
      el("img", { className: "partial", alt: "", hidden: true }),
      el("div", { className: "veil" }, petals(44)),
      el("div", { className: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, el("span"))),
    el("div", { className: "under" },
      el("div", { className: "caption" },
        el("span", { className: "facts-line", tabIndex: -1 }, el("span", { className: "name" }), " · ", el("span", { className: "label" })),
        el("span", { className: "message" })),
      el("div", { className: "acts" }), info),
  ];
}

/** The top of a job's page: prompt, where it stands, how far it is, what can be done. */
class Heading {
  constructor(board) {
    this.board = board;
    this.chip = el("span", { className: "chip", "data-testid": "status" });
    this.time = el("span", { className: "time" });
    this.prompt = el("h1", { dir: "auto", "data-testid": "prompt" });
    this.whole = el("button", { type: "button", className: "whole", text: "Show the whole prompt", hidden: true,
      on: { click: () => { this.prompt.classList.remove("cut"); this.whole.hidden = true; } } });
    this.sentence = el("p", { className: "sentence", role: "status", tabIndex: -1 });
    this.acts = el("div", { className: "acts" });
    this.bar = el("div", { className: "bar", role: "progressbar", "aria-label": "All items", "aria-valuemin": 0, "aria-valuemax": 100 }, el("span"));
    this.ready = el("span", { className: "ready" });
    this.meter = el("div", { className: "meter" }, this.bar, this.ready);
    this.trouble = el("p", { className: "trouble", role: "alert", hidden: true });
    this.turning = petals(40);
    this.job = el("header", { className: "heading", hidden: true },
      el("div", { className: "line" }, this.chip, this.time), this.prompt, this.whole,
      el("div", { className: "state" }, this.turning, el("div", { className: "telling" }, this.sentence, this.meter), this.acts));
    this.note = el("p", { className: "note", "data-testid": "note", hidden: true });
    this.node = el("div", {}, this.note, this.trouble, this.job);
  }

  update({ job, note, trouble }) {
    this.note.hidden = !note;
    setText(this.note, note || "");
    this.trouble.hidden = !trouble;
    setText(this.trouble, trouble || "");
    this.job.hidden = !job;
    if (!job) return;
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
    setText(this.ready, `${job.percent}% · ${job.ready}`);
    keepFocus(this.job, () => this.board.changeActs(this.acts, job.acts), () => this.sentence);
  }
}
