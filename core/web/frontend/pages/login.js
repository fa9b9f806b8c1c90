// @ts-check
/** @import { Language, SetTrigger } from "../kit/component.js" */
/** The login page: user id, passphrase where one is needed, a new account, an identity provider. */
import { at, inLanguage } from "../kit/address.js";
import { component } from "../kit/component.js";
import { el, setText } from "../kit/dom.js";
import { _, N_ } from "../kit/i18n.js";
import { petals } from "../kit/icons.js";
import { post } from "../kit/request.js";
import { recall, remember } from "../kit/storage.js";

const NO_ANSWER = N_("Fivefold does not answer. Please check that it is running, and try again.");
const NEXT = "fivefold-next"; // where a login by an identity provider leads, kept while it is away
const INVITE = "fivefold-invite";
const SHORTEST_PASSPHRASE = 12; // characters

/**
 * What `core.web.frontend.components.login` gives.
 * @typedef {object} LoginData
 * @property {"user_id" | "passphrase" | "oidc"} mode
 * @property {"open" | "invite" | "closed"} registration
 * @property {string} next
 * @property {string} invite
 * @property {string} recovers
 * @property {string} provider
 * @property {string} ticket
 * @property {string} refusal
 */
/** @typedef {Language & LoginData} Data */

/**
 * The response to a login that is refused.
 * @typedef {{ detail: string, ask?: boolean }} Refusal `ask`: for a passphrase
 */

/** @typedef {{ input: HTMLInputElement, node: HTMLElement }} Field */

export default component(
  ["pages/login.css"],
  (root, /** @type {Data} */ data, setTrigger) => new LoginForm(root, data, setTrigger),
);

class LoginForm {
  /**
   * @param {ShadowRoot} parent
   * @param {Data} data
   * @param {SetTrigger} setTrigger
   */
  constructor(parent, data, setTrigger) {
    this.data = data;
    this.toProvider = () => setTrigger("provider", String(Date.now()));
    this.registering = false;
    this.user = field("user_id", _("User id"), { autocomplete: "username" });
    this.passphrase = field("passphrase", _("Passphrase"), { type: "password" });
    this.again = field("again", _("Passphrase again"), { type: "password", autocomplete: "new-password" });
    this.fields = [this.user, this.passphrase, this.again];
    this.refusal = el("p", { id: "refusal", className: "refusal", role: "alert" });
    this.hint = el("p", { id: "hint", className: "hint" });
    this.button = el("button", { type: "submit", className: "button primary" });
    const turn = { type: "button", className: "plain", on: { click: () => this.show(!this.registering) } };
    this.turn = el("button", turn);
    this.user.input.addEventListener("input", () => {
      if (this.data.mode === "user_id" && !this.registering) this.askPassphrase(false);
    });
    this.form = el(
      "form",
      { noValidate: true },
      ...this.fields.map(({ node }) => node),
      this.refusal,
      this.hint,
      this.button,
      this.turn,
    );
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    parent.append(page(this.form));
    if (data.mode === "oidc") this.beginProvider();
    else if (data.recovers) this.beginRecovery();
    else this.show(Boolean(data.invite));
  }

  /** What is typed stays through runs of the script. */
  update() {}

  /**
   * Show the form to log in, or the one to make an account.
   * @param {boolean} registering
   */
  show(registering) {
    const { mode, registration, invite } = this.data;
    this.registering = registering;
    this.passphrase.input.autocomplete = registering ? "new-password" : "current-password";
    this.askPassphrase(mode === "passphrase" || registering);
    this.again.node.hidden = !registering;
    this.button.textContent = registering ? _("Make the account") : _("Log in");
    this.turn.textContent = registering ? _("Log in instead") : _("New here? Make an account");
    this.turn.hidden = !(registering || invite || (mode === "passphrase" && registration === "open"));
    this.hint.textContent = registering ? this.invited() : this.newcomer();
    this.refuse("");
    requestAnimationFrame(() => this.user.input.focus());
  }

  /** A link to choose a passphrase anew: it asks for nothing else and allows nothing else. */
  beginRecovery() {
    const user = this.data.recovers;
    this.registering = true;
    this.form.prepend(el("h2", { text: _("Choose a new passphrase for {user}", { user }) }));
    this.user.node.hidden = true;
    this.user.input.value = user; // password managers keep it under this name
    this.turn.hidden = true;
    this.passphrase.input.autocomplete = "new-password";
    for (const each of [this.passphrase, this.again]) each.input.required = true;
    this.button.textContent = _("Set the passphrase");
    this.hint.textContent = rule();
    requestAnimationFrame(() => this.passphrase.input.focus());
  }

  newcomer() {
    const { mode, registration } = this.data;
    if (registration === "invite") return _("New here? You need an invitation; its link leads to a new account.");
    if (registration === "closed") return _("New here? Ask whoever runs this Fivefold for an account.");
    return mode === "user_id" ? _("New here? Choose any id; what you make is kept under it.") : "";
  }

  invited() {
    if (this.data.mode !== "user_id") return rule();
    return `${rule()} ${_("You may leave it empty: then the user id alone is enough.")}`;
  }

  /** @param {boolean} wanted */
  askPassphrase(wanted) {
    this.passphrase.node.hidden = !wanted;
    if (!wanted) this.passphrase.input.value = "";
  }

  beginProvider() {
    const { provider, registration } = this.data;
    for (const each of this.fields) each.node.hidden = true;
    this.turn.hidden = true;
    this.button.textContent = _("Log in with {provider}", { provider });
    this.hint.textContent = registration === "open" ? "" : this.newcomer();
    this.refuse(this.data.refusal);
    if (this.data.ticket) this.handIn();
    else requestAnimationFrame(() => this.button.focus());
  }

  /** Exchange the identity provider's ticket for a session. */
  async handIn() {
    this.button.disabled = true;
    this.hint.textContent = _("One moment …");
    const next = take(NEXT) || this.data.next;
    const refusal = await logIn({ ticket: this.data.ticket, invite: take(INVITE), next });
    this.hint.textContent = "";
    if (!refusal) return;
    this.button.disabled = false;
    this.refuse(refusal.detail);
    this.button.focus();
  }

  async submit() {
    if (this.button.disabled) return;
    const { mode, next, invite, recovers } = this.data;
    if (mode === "oidc") {
      remember("sessionStorage", NEXT, next);
      remember("sessionStorage", INVITE, invite);
      this.refuse("");
      this.toProvider();
      return;
    }
    if (this.registering && this.passphrase.input.value !== this.again.input.value) {
      this.refuse(_("The two passphrases are not the same."), this.again);
      return;
    }
    this.button.disabled = true;
    this.refuse("");
    const refusal = await logIn({
      user_id: this.user.input.value,
      passphrase: this.passphrase.input.value,
      register: this.registering,
      invite: this.registering ? invite : "",
      next,
    });
    if (!refusal) return;
    this.button.disabled = false;
    const asks = refusal.ask && !this.registering;
    const first = asks && this.passphrase.node.hidden;
    if (asks) this.askPassphrase(true);
    if (first) this.hint.textContent = _("This user id is protected by a passphrase.");
    this.refuse(first ? "" : refusal.detail, refusal.ask || recovers ? this.passphrase : this.user);
    if (first) this.passphrase.input.focus();
  }

  /**
   * @param {string} sentence empty: nothing is refused any more
   * @param {Field} about
   */
  refuse(sentence, about = this.user) {
    setText(this.refusal, sentence);
    for (const each of this.fields) {
      if (sentence && each === about) each.input.setAttribute("aria-invalid", "true");
      else each.input.removeAttribute("aria-invalid");
    }
    if (sentence && !about.node.hidden) about.input.focus();
  }
}

/** @param {HTMLElement} form */
function page(form) {
  const bloom = el("div", { className: "bloom" }, petals(400));
  for (const [index, petal] of bloom.querySelectorAll("g").entries()) petal.style.setProperty("--turn", String(index));
  const first = el("span", { text: _("One prompt in.") });
  const second = el("span", { text: _("Five images and five videos out.") });
  const words = el(
    "div",
    {},
    el("div", { className: "mark" }, petals(38), "Fivefold"),
    el("h1", {}, first, " ", second),
    el("p", { className: "lead", text: _("Describe what you would like to see, and watch it being made.") }),
    form,
  );
  return el("main", { className: "ff login" }, words, bloom);
}

/**
 * @param {string} id
 * @param {string} label
 * @param {Record<string, string>} more
 * @returns {Field}
 */
function field(id, label, more) {
  const props = { id, name: id, type: "text", spellcheck: false, autocapitalize: "none" };
  const input = el("input", { ...props, "aria-describedby": "refusal hint", ...more });
  return { input, node: el("div", { className: "field" }, el("label", { for: id, text: label }), input) };
}

function rule() {
  const values = { least: SHORTEST_PASSPHRASE };
  return _("A passphrase has at least {least} characters; a few words are easy to keep.", values);
}

/**
 * Send a login; return why it was refused, else go where it leads.
 * @param {object} body
 * @returns {Promise<Refusal | null>}
 */
async function logIn(body) {
  try {
    const answer = await fetch(inLanguage("/auth/login"), post(body));
    const found = await answer.json();
    if (!answer.ok) return found;
    location.assign(at(found.next));
    return null;
  } catch {
    return { detail: _(NO_ANSWER) };
  }
}

/**
 * What was kept for this tab while it was with the identity provider.
 * @param {string} name
 */
function take(name) {
  const value = recall("sessionStorage", name);
  remember("sessionStorage", name, "");
  return value;
}
