/** A job or a gallery. One Board lives as long as its place on the page; `update` changes it. */
const boards = new WeakMap();

export default function ({ data, parentElement, setTriggerValue }) {
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
    this.lightbox = new Lightbox();
    this.made = new Made();
    this.root = el("div", { className: "ff board", "data-testid": "board" },
      this.heading.node, this.sections, this.facts, this.lightbox.node, this.made.node, this.question.node);
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
      tile.replaceChildren(...(item.state === "done" ? this.finished(tile, item) : unfinished(this.info(tile, item))));
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

  finished(tile, item) {
    const frame = item.kind === "video" ? this.clip(item) : this.picture(tile, item);
    const caption = el("div", { className: "caption" }, el("span", { className: "facts-line", tabIndex: -1, text: `${item.name} · ${item.facts}` }));
    if (item.job) {
      const words = item.prompt.trim().replace(/\s+/g, " ");
      caption.append(link(`/job?id=${item.job}`, () => this.send("open", item.job),
        { className: "from", dir: "auto", text: words, title: words.slice(0, 300) }));
    }
    const animate = item.animate && link(item.animate, () => this.send("animate", item.id),
      { className: "icon-button", title: "Animate", "aria-label": `Animate ${item.name}` }, icon("animate"));
    const row = el("div", { className: "under" }, caption, animate, this.info(tile, item),
      el("a", { className: "icon-button", href: item.download, download: "", title: `Download (${item.weight})`, "aria-label": `Download ${item.name}` }, icon("download")));
    return [frame, row];
  }

  /** A button that tells how an item was made. */
  info(tile, item) {
    const about = `How ${item.name} was made`;
    const button = el("button", { type: "button", className: "icon-button info", title: "How it was made", "aria-label": about }, icon("info"));
    button.addEventListener("click", () => this.made.open(about, tile.item.made, button));
    return button;
  }

  picture(tile, item) {
    const image = el("img", { src: item.preview, alt: item.alt, loading: "lazy", decoding: "async" });
    const open = el("button", { type: "button", className: "frame", "aria-label": `Open ${item.alt}` }, image);
    open.addEventListener("click", () => {
      const all = [...tile.parentElement.children].filter((each) => each.dataset.state === "done");
      this.lightbox.open(all.map((each) => each.item), all.indexOf(tile), open);
    });
    return open;
  }

  clip(item) {
    const player = el("video", { preload: "none", poster: item.poster, playsInline: true, "aria-label": item.alt });
    player.src = item.original;
    const play = el("button", { type: "button", className: "play", "aria-label": `Play ${item.alt}` }, icon("play"));
    const sorry = el("p", { className: "sorry", role: "alert", hidden: true, text: "This clip cannot be played at the moment." });
    const frame = el("div", { className: "frame" }, player, play, sorry);
    play.addEventListener("click", () => {
      player.controls = true;
      play.hidden = true;
      player.focus();
      player.play().catch(() => {});
    });
    player.addEventListener("play", () => {
      for (const other of this.root.querySelectorAll("video")) if (other !== player) other.pause();
    });
    player.addEventListener("error", () => { sorry.hidden = false; });
    return frame;
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

/** A question before something that cannot be taken back; the answer that changes nothing has the focus. */
class Question {
  constructor() {
    const answer = (className, act) => el("button", { type: "button", className, on: { click: act } });
    this.title = el("h2", { id: "question-title" });
    this.text = el("p", { id: "question-text" });
    this.no = answer("button", () => this.node.close());
    this.yes = answer("button primary", () => { this.node.close(); this.agree(); });
    this.node = el("dialog", { className: "question", role: "alertdialog", "aria-labelledby": this.title.id, "aria-describedby": this.text.id },
      this.title, this.text, el("div", { className: "answers" }, this.no, this.yes));
    this.node.addEventListener("click", (event) => { if (event.target === this.node) this.node.close(); });
    this.node.addEventListener("close", () => this.opener.focus({ preventScroll: true }));
  }

  open({ title, text, yes, no }, opener, agree) {
    setText(this.title, title);
    setText(this.text, text);
    setText(this.no, no);
    setText(this.yes, yes);
    Object.assign(this, { opener, agree });
    this.node.showModal();
  }
}

/** How an item was made. */
class Made {
  constructor() {
    this.title = el("h2", { id: "made-title" });
    this.list = el("dl", {});
    const close = el("button", { type: "button", className: "icon-button", title: "Close", "aria-label": "Close", on: { click: () => this.node.close() } }, icon("close"));
    this.node = el("dialog", { className: "made", "aria-labelledby": this.title.id }, el("div", { className: "top" }, this.title, close), this.list);
    this.node.addEventListener("click", (event) => { if (event.target === this.node) this.node.close(); });
    this.node.addEventListener("close", () => this.opener.focus({ preventScroll: true }));
  }

  open(title, facts, opener) {
    setText(this.title, title);
    this.list.replaceChildren(...facts.map(([label, text]) => el("div", {}, el("dt", { text: label }), el("dd", { text, dir: "auto" }))));
    this.opener = opener;
    this.node.showModal();
  }
}

/** Images one at a time, whole and in full size. */
class Lightbox {
  constructor() {
    this.image = el("img", { alt: "" });
    this.caption = el("span", { className: "words" });
    this.download = el("a", { className: "icon-button", download: "", title: "Download" }, icon("download"));
    const step = (by, name, text) => el("button", { type: "button", className: `icon-button ${name}`, title: text, "aria-label": text, on: { click: () => this.show(this.index + by) } }, icon(name));
    this.previous = step(-1, "previous", "Previous image");
    this.next = step(1, "next", "Next image");
    const close = el("button", { type: "button", className: "icon-button", title: "Close", "aria-label": "Close", on: { click: () => this.node.close() } }, icon("close"));
    this.node = el("dialog", { className: "lightbox", "aria-label": "Image" },
      el("div", { className: "top" }, this.caption, this.download, close),
      el("div", { className: "stage" }, this.previous, this.image, this.next));
    this.node.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by) { event.preventDefault(); this.show(this.index + by); }
    });
    this.node.addEventListener("click", (event) => {
      if (event.target === this.node || event.target.classList.contains("stage")) this.node.close();
    });
    this.node.addEventListener("close", () => {
      this.image.removeAttribute("src");
      document.documentElement.style.removeProperty("overflow");
      this.opener?.focus();
    });
  }

  open(items, index, opener) {
    this.items = items;
    this.opener = opener;
    document.documentElement.style.overflow = "hidden";
    this.node.showModal();
    this.show(index);
    this.node.focus();
  }

  show(index) {
    const { items } = this;
    this.index = (index + items.length) % items.length;
    const item = items[this.index];
    this.image.style.background = `center / contain no-repeat url("${item.preview}")`;
    this.image.width = item.width;
    this.image.height = item.height;
    this.image.src = item.original;
    this.image.alt = item.alt;
    setText(this.caption, `${this.index + 1} of ${items.length} · ${item.facts} · ${item.weight}`);
    this.download.href = item.download;
    this.download.setAttribute("aria-label", `Download ${item.name}`);
    this.previous.hidden = this.next.hidden = items.length < 2;
  }
}
