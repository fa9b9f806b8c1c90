// @ts-check
/** @import { Question } from "../kit/dialogs.js" */
/** @import { Action } from "../types" */
/** The buttons of a job and of its items, which ask `core.web.live.action_routes`. */
import { inLanguage } from "../kit/address.js";
import { el, reconcile } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";
import { ANSWER_MS, LOGGED_OUT, post } from "../kit/request.js";

/**
 * Actions on an item that are shown as an icon.
 * @type {Record<string, string>}
 */
const ICONS = { cancel: "close", first: "first" };

/** @param {Action} action */
export function isSmall({ name }) {
  return name in ICONS;
}

export class JobActions {
  /**
   * @param {Question} question asks before what cannot be taken back
   * @param {object} callbacks
   * @param {() => string} callbacks.jobId
   * @param {() => Promise<unknown>} callbacks.done shows what came of it
   * @param {(refusal: string) => void} callbacks.refused is called with why something was not done; empty: it was
   */
  constructor(question, { jobId, done, refused }) {
    this.question = question;
    this.jobId = jobId;
    this.done = done;
    this.refused = refused;
    /** @type {WeakMap<HTMLElement, Action>} */
    this.current = new WeakMap();
  }

  /**
   * Make a row hold these buttons.
   * @param {HTMLElement} row
   * @param {Action[]} actions
   */
  show(row, actions) {
    reconcile(
      row,
      actions.map((action) => ({ ...action, id: action.name })),
      (action) => this.make(action),
      (button, action) => this.current.set(button, action),
    );
  }

  /** @param {Action} action */
  make({ name, on, text, label, href }) {
    if (href) return el("a", { href, className: "button", "aria-label": label, download: "" }, text);
    const small = on === null ? undefined : ICONS[name];
    const props = { className: small ? "icon-button" : "button", title: small ? label : null, "aria-label": label };
    const button = el("button", { type: "button", ...props }, small ? icon(small) : text);
    button.addEventListener("click", () => {
      const action = this.current.get(button);
      if (!action || button.ariaDisabled === "true") return;
      const run = () => this.run(button, action);
      if (action.question) this.question.open(action.question, button, run);
      else run();
    });
    return button;
  }

  /**
   * Have done what a button asks for.
   * @param {HTMLButtonElement} button
   * @param {Action} action
   */
  async run(button, { name, on }) {
    button.ariaDisabled = "true"; // one that is disabled would lose the focus
    const refusal = await this.send({ name, on });
    if (!refusal) await this.done();
    button.ariaDisabled = null;
    this.refused(refusal);
  }

  /**
   * Returns why it was not done; empty: it was.
   * @param {{ name: string, on: string | null }} action
   * @returns {Promise<string>}
   */
  async send(action) {
    try {
      const options = { ...post(action), signal: AbortSignal.timeout(ANSWER_MS) };
      const answer = await fetch(inLanguage(`/jobs/${this.jobId()}/acts`), options);
      if (answer.status === LOGGED_OUT) location.reload();
      return answer.ok || answer.status === LOGGED_OUT ? "" : (await answer.json()).detail;
    } catch {
      return _("Fivefold does not answer, so that was not done. Please try again.");
    }
  }
}
