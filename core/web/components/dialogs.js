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
