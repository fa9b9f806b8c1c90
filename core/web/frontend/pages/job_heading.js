// @ts-check
/** @import { JobHeading } from "../types" */
/** @import { JobActions } from "./job_actions.js" */
/** The top of a job's page: prompt, where it stands, how far it is, what can be done. */
import { el, find, keepFocus, setText, showText } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";
import { petals } from "../kit/icons.js";

const LONG = { characters: 90, cut: 220, lines: 4 }; // of a prompt

export class Heading {
  /** @param {JobActions} actions */
  constructor(actions) {
    this.actions = actions;
    this.jobId = "";
    this.chip = el("span", { className: "chip", "data-testid": "status" });
    this.time = el("span", { className: "time" });
    this.prompt = el("h1", { dir: "auto", "data-testid": "prompt" });
    const whole = { text: _("Show the whole prompt"), hidden: true, on: { click: () => this.cut(false) } };
    this.whole = el("button", { type: "button", className: "whole", ...whole });
    this.sentence = el("p", { className: "sentence", role: "status", tabIndex: -1 });
    this.acts = el("div", { className: "acts" });
    const progress = { role: "progressbar", "aria-label": _("All items"), "aria-valuemin": 0, "aria-valuemax": 100 };
    this.bar = el("div", { className: "bar", ...progress }, el("span"));
    this.ready = el("span", { className: "ready" });
    this.meter = el("div", { className: "meter" }, this.bar, this.ready);
    this.trouble = el("p", { className: "trouble", role: "alert", hidden: true });
    this.refusal = el("p", { className: "trouble", role: "alert", hidden: true });
    const words = el("div", { className: "telling" }, this.sentence, this.meter);
    this.job = el(
      "header",
      { className: "heading" },
      el("div", { className: "line" }, this.chip, this.time),
      this.prompt,
      this.whole,
      el("div", { className: "state" }, petals(40), words, this.acts),
      this.trouble,
      this.refusal,
    );
    this.note = el("p", { className: "note", "data-testid": "note", hidden: true });
    this.node = el("div", {}, this.note, this.job);
  }

  /** @param {string} text */
  setNote(text) {
    showText(this.note, text);
  }

  /** @param {string} text what is wrong; empty: nothing */
  setTrouble(text) {
    showText(this.trouble, text);
  }

  /** @param {string} text why something was not done; empty: it was */
  setRefusal(text) {
    showText(this.refusal, text);
  }

  /** @param {JobHeading} job */
  update(job) {
    setText(this.chip, job.label);
    this.chip.dataset.status = job.status;
    setText(this.time, job.time);
    setText(this.prompt, job.prompt);
    if (this.jobId !== job.id) {
      this.jobId = job.id;
      this.cut(job.prompt.length > LONG.cut || job.prompt.split("\n").length > LONG.lines);
      this.prompt.classList.toggle("long", job.prompt.length > LONG.characters);
    }
    setText(this.sentence, job.sentence);
    this.job.classList.toggle("active", job.active);
    this.meter.hidden = !job.active;
    this.bar.setAttribute("aria-valuenow", String(job.percent));
    find(this.bar, "span").style.setProperty("--share", String(job.percent / 100));
    const parts = [_("{percent}%", { percent: job.percent }), job.ready, job.left];
    setText(this.ready, parts.filter(Boolean).join(" · "));
    keepFocus(
      this.job,
      () => this.actions.show(this.acts, job.acts),
      () => this.sentence,
    );
  }

  /** @param {boolean} cut whether only the beginning of the prompt is shown */
  cut(cut) {
    this.prompt.classList.toggle("cut", cut);
    this.whole.hidden = !cut;
  }
}
