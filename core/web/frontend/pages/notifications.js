// @ts-check
/** @import { Language, SetTrigger } from "../kit/component.js" */
/** What is due, what failed and what was sent: sections of rows with what can be done about each. */
import { inLanguage, visit } from "../kit/address.js";
import { component } from "../kit/component.js";
import { el, find, keepFocus, link, reconcile, showText } from "../kit/dom.js";
import { EventStream } from "../kit/event_stream.js";
import { _ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";

/** @type {Record<string, string>} */
const STATE_ICONS = { sent: "check", failed: "alert", due: "clock", planned: "clock" };
const LABEL_CHARACTERS = 160;

/**
 * A notice, or the one that a job will have: `core.web.inbox.notices`.
 * @typedef {object} Row
 * @property {string} id
 * @property {"notice" | "job"} on
 * @property {string} state
 * @property {string} channel
 * @property {string} to
 * @property {string} title
 * @property {string | null} href
 * @property {string} label
 * @property {string} error
 * @property {string} local when it is due, in the user's zone, as `datetime-local` has it
 * @property {[name: string, text: string][]} acts
 */
/** @typedef {{ id: string, title: string, empty: string, rows: Row[] }} Section */
/** @typedef {{ now: string, sections: Section[] }} Shown */
/** @typedef {Language & Shown & { zone: string }} Data */
/** @typedef {(name: string, row: Row, local?: string) => void} Send */

export default component(["pages/notifications.css"], (root) => new Notifications(root));

class Notifications {
  /** @param {ShadowRoot} parent */
  constructor(parent) {
    this.now = ""; // of what is shown
    /** @type {SetTrigger} */
    this.setTrigger = () => {};
    this.trouble = el("p", { className: "trouble", role: "status", hidden: true });
    this.sections = el("div");
    const root = el("div", { className: "ff notices" }, this.trouble, this.sections);
    parent.append(root);
    this.stream = new EventStream(root, {
      update: (_name, found) => this.show(found),
      goesOn: () => true,
      trouble: (sentence) => showText(this.trouble, sentence),
      gone: () => {},
    });
  }

  /**
   * @param {Data} data
   * @param {SetTrigger} setTrigger
   */
  update(data, setTrigger) {
    this.setTrigger = setTrigger;
    this.show(data);
    const query = new URLSearchParams({ zone: data.zone });
    this.stream.follow(inLanguage(`/events/notices?${query}`), inLanguage(`/events/notices/live?${query}`));
  }

  /** @param {Shown} shown */
  show(shown) {
    if (shown.now < this.now) return; // an older answer that came late
    this.now = shown.now;
    /** @type {Send} */
    const send = (name, row, local = "") =>
      this.setTrigger("act", JSON.stringify({ name, id: row.id, on: row.on, local, at: Date.now() }));
    reconcile(this.sections, shown.sections, makeSection, (node, section) => {
      showText(find(node, ".empty"), section.rows.length ? "" : section.empty);
      reconcile(find(node, ".rows"), section.rows, makeRow, (line, row) =>
        keepFocus(
          line,
          () => showRow(line, row, send),
          () => find(line, "a, .title"),
        ),
      );
    });
  }
}

/** @param {Section} section */
function makeSection({ id, title }) {
  const heading = el("h2", { id: `notices-${id}`, text: title });
  const props = { "aria-labelledby": heading.id, "data-testid": heading.id };
  return el("section", props, heading, el("p", { className: "empty" }), el("ul", { className: "rows" }));
}

function makeRow() {
  return el("li", { className: "row", "data-testid": "notice" });
}

/**
 * What each row shows, as JSON.
 * @type {WeakMap<HTMLElement, string>}
 */
const drawn = new WeakMap();

/**
 * @param {HTMLElement} line
 * @param {Row} row
 * @param {Send} send
 */
function showRow(line, row, send) {
  const shown = JSON.stringify(row);
  if (drawn.get(line) === shown) return; // what is being typed into it stays
  if (line.querySelector("form:not([hidden])")) return;
  drawn.set(line, shown);
  line.dataset.state = row.state;
  const { form, field } = timeForm(row.local, (local) => {
    drawn.delete(line);
    send("reschedule", row, local);
  });
  const click = (/** @type {string} */ name) => {
    if (name !== "reschedule") {
      send(name, row);
      return;
    }
    form.hidden = !form.hidden;
    if (!form.hidden) field.focus();
  };
  const buttons = row.acts.map(([name, text]) => {
    const label = `${text}: ${row.channel}, ${row.title}`.slice(0, LABEL_CHARACTERS);
    return el("button", {
      type: "button",
      className: "button",
      text,
      "aria-label": label,
      on: { click: () => click(name) },
    });
  });
  const state = el("span", { className: "state" }, icon(STATE_ICONS[row.state] ?? ""));
  line.replaceChildren(state, words(row), el("div", { className: "acts" }, ...buttons), form);
}

/** @param {Row} row */
function words({ href, title, channel, to, label, error }) {
  const props = { className: "title", dir: "auto", text: title };
  return el(
    "div",
    { className: "words" },
    href ? link(href, () => visit(href), props) : el("span", { ...props, tabIndex: -1 }),
    el(
      "p",
      { className: "line" },
      el("span", { className: "channel", text: channel }),
      to ? el("span", { className: "to", text: to }) : null,
      el("span", { className: "label", text: label }),
    ),
    error ? el("p", { className: "error", text: error }) : null,
  );
}

/**
 * The form that sets another time.
 * @param {string} value
 * @param {(local: string) => void} set
 */
function timeForm(value, set) {
  const field = el("input", { type: "datetime-local", "aria-label": _("Date and time"), required: true, value });
  const button = el("button", { type: "submit", className: "button primary", text: _("Set") });
  const form = el("form", { className: "when", hidden: true }, field, button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    form.hidden = true;
    set(field.value);
  });
  return { form, field };
}
