import { visit } from "../kit/address.js";
import { component } from "../kit/component.js";
import { el, keepFocus, link, reconcile, setText } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";

const ICONS_OF = { sent: "check", failed: "alert", due: "clock", planned: "clock" };

/** What is due, what failed and what was sent: sections of rows with what can be done about each. */
export default component(["pages/notifications.css"], (root) => new Notifications(root));

class Notifications {
  constructor(parent) {
    this.root = el("div", { className: "ff notices" });
    parent.append(this.root);
  }

  update(data, setTrigger) {
    const send = (name, row, local = "") =>
      setTrigger("act", JSON.stringify({ name, id: row.id, on: row.on, local, at: Date.now() }));
    reconcile(this.root, data.sections, makeSection, (node, section) => {
      const [, empty, rows] = node.children;
      setText(empty, section.empty);
      empty.hidden = section.rows.length > 0;
      reconcile(rows, section.rows, makeRow, (line, row) =>
        keepFocus(line, () => showRow(line, row, send), () => line.querySelector("a, .title")));
    });
  }
}

function makeSection(section) {
  const heading = el("h2", { id: `notices-${section.id}`, text: section.title });
  return el("section", { "aria-labelledby": heading.id, "data-testid": `notices-${section.id}` },
    heading, el("p", { className: "empty" }), el("ul", { className: "rows" }));
}

function makeRow() {
  return el("li", { className: "row", "data-testid": "notice" });
}

function showRow(line, row, send) {
  const known = JSON.stringify(row);
  if (line.known === known) return; // what is being typed into it stays
  if (line.querySelector("form:not([hidden])")) return;
  line.known = known;
  line.dataset.state = row.state;
  const title = row.href
    ? link(row.href, () => visit(row.href), { className: "title", dir: "auto", text: row.title })
    : el("span", { className: "title", tabIndex: -1, dir: "auto", text: row.title });
  const field = el("input", { type: "datetime-local", "aria-label": _("Date and time"), required: true, value: row.local });
  const form = el("form", { className: "when", hidden: true, on: { submit: (event) => {
    event.preventDefault();
    form.hidden = true;
    line.known = "";
    send("reschedule", row, field.value);
  } } }, field, el("button", { type: "submit", className: "button primary", text: _("Set") }));
  const buttons = row.acts.map(([name, text]) => el("button", {
    type: "button", className: "button", text, "aria-label": `${text}: ${row.channel}, ${row.title}`.slice(0, 160),
    on: { click: () => {
      if (name !== "reschedule") return send(name, row);
      form.hidden = !form.hidden;
      if (!form.hidden) field.focus();
    } },
  }));
  line.replaceChildren(
    el("span", { className: "state" }, icon(ICONS_OF[row.state])),
    el("div", { className: "words" },
      title,
      el("p", { className: "line" }, el("span", { className: "channel", text: row.channel }), row.to ? el("span", { className: "to", text: row.to }) : null, el("span", { className: "label", text: row.label })),
      row.error ? el("p", { className: "error", text: row.error }) : null),
    el("div", { className: "acts" }, ...buttons),
    form,
  );
}
