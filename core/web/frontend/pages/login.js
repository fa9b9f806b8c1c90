import { at, inLanguage } from "../kit/address.js";
import { component } from "../kit/component.js";
import { el, setText } from "../kit/dom.js";
import { _, N_ } from "../kit/i18n.js";
import { petals } from "../kit/icons.js";
import { recall, remember } from "../kit/storage.js";

const NO_ANSWER = N_("Fivefold does not answer. Please check that it is running, and try again.");
const NEXT = "fivefold-next"; // where a login by an identity provider leads, kept while it is away
const INVITE = "fivefold-invite";

/** The login page: user id, passphrase where one is needed, a new account, an identity provider. */
export default component(["pages/login.css"], (root, data, setTrigger) => new LoginForm(root, data, setTrigger));

class LoginForm {
  constructor(parent, data, setTrigger) {
    this.data = data;
    this.toProvider = () => setTrigger("provider", String(Date.now()));
    this.user = field("user_id", _("User id"), { autocomplete: "username" });
    this.passphrase = field("passphrase", _("Passphrase"), { type: "password" });
    this.again = field("again", _("Passphrase again"), { type: "password", autocomplete: "new-password" });
    this.refusal = el("p", { id: "refusal", className: "refusal", role: "alert" });
    this.hint = el("p", { id: "hint", className: "hint" });
    this.button = el("button", { type: "submit", className: "button primary" });
    this.turn = el("button", { type: "button", className: "plain", on: { click: () => this.show(!this.registering) } });
    this.user.input.addEventListener("input", () => {
      if (this.data.mode === "user_id" && !this.registering) this.askPassphrase(false);
    });
    this.form = el("form", { noValidate: true, on: { submit: (event) => this.submit(event) } },
      this.user.node, this.passphrase.node, this.again.node, this.refusal, this.hint, this.button, this.turn);
    const bloom = el("div", { className: "bloom" }, petals(400));
    bloom.querySelectorAll("g").forEach((petal, index) => petal.style.setProperty("--turn", index));
    this.root = el("main", { className: "ff login" },
      el("div", {},
        el("div", { className: "mark" }, petals(38), "Fivefold"),
        el("h1", {}, el("span", { text: _("One prompt in.") }), " ", el("span", { text: _("Five images and five videos out.") })),
        el("p", { className: "lead", text: _("Describe what you would like to see, and watch it being made.") }),
        this.form),
      bloom);
    parent.append(this.root);
    this.begin();
  }

  /** What is typed stays through runs of the script. */
  update() {}

  begin() {
    if (this.data.mode === "oidc") return this.beginProvider();
    if (this.data.recovers) return this.beginRecovery();
    this.show(Boolean(this.data.invite));
  }

  /** Show the form to log in, or the one to make an account. */
  show(registering) {
    const { mode, registration, invite } = this.data;
    this.registering = registering;
    const withPassphrase = mode === "passphrase" || registering;
    this.passphrase.input.autocomplete = registering ? "new-password" : "current-password";
    this.askPassphrase(withPassphrase);
    this.again.node.hidden = !registering;
    this.button.textContent = registering ? _("Make the account") : _("Log in");
    this.turn.textContent = registering ? _("Log in instead") : _("New here? Make an account");
    this.turn.hidden = !(registering || invite || (mode === "passphrase" && registration === "open"));
    this.hint.textContent = registering ? this.invited() : this.newcomer();
    this.refuse("");
    requestAnimationFrame(() => this.user.input.focus());
  }

  /** A link to choose a passphrase anew: nothing else is asked, and nothing else can be done. */
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
    this.hint.textContent = this.rule();
    requestAnimationFrame(() => this.passphrase.input.focus());
  }

  newcomer() {
    const { mode, registration } = this.data;
    if (registration === "invite") return _("New here? You need an invitation; its link leads to a new account.");
    if (registration === "closed") return _("New here? Ask whoever runs this Fivefold for an account.");
    return mode === "user_id" ? _("New here? Choose any id; what you make is kept under it.") : "";
  }

  rule() {
    return _("A passphrase has at least {least} characters; a few words are easy to keep.", { least: 12 });
  }

  invited() {
    const rule = this.rule();
    if (this.data.mode !== "user_id") return rule;
    return `${rule} ${_("You may leave it empty: then the user id alone is enough.")}`;
  }

  askPassphrase(wanted) {
    this.passphrase.node.hidden = !wanted;
    if (!wanted) this.passphrase.input.value = "";
  }

  beginProvider() {
    const { provider, registration } = this.data;
    for (const each of [this.user, this.passphrase, this.again]) each.node.hidden = true;
    this.turn.hidden = true;
    this.button.textContent = _("Log in with {provider}", { provider });
    this.hint.textContent = registration === "open" ? "" : this.newcomer();
    this.refuse(this.data.refusal);
    if (this.data.ticket) this.handIn();
    else requestAnimationFrame(() => this.button.focus());
  }

  /** What the identity provider said becomes a session of ours. */
  async handIn() {
    this.button.disabled = true;
    this.hint.textContent = _("One moment …");
    const said = await this.post({ ticket: this.data.ticket, invite: take(INVITE), next: take(NEXT) || this.data.next });
    this.hint.textContent = "";
    if (!said) return;
    this.button.disabled = false;
    this.refuse(said.detail);
    this.button.focus();
  }

  async submit(event) {
    event.preventDefault();
    if (this.button.disabled) return;
    if (this.data.mode === "oidc") {
      remember("sessionStorage", NEXT, this.data.next);
      remember("sessionStorage", INVITE, this.data.invite);
      this.refuse("");
      return this.toProvider();
    }
    if (this.registering && this.passphrase.input.value !== this.again.input.value) {
      return this.refuse(_("The two passphrases are not the same."), this.again);
    }
    this.button.disabled = true;
    this.refuse("");
    const said = await this.post({
      user_id: this.user.input.value, passphrase: this.passphrase.input.value, register: this.registering,
      invite: this.registering ? this.data.invite : "", next: this.data.next,
    });
    if (!said) return;
    this.button.disabled = false;
    const first = said.ask && !this.registering && this.passphrase.node.hidden;
    if (said.ask && !this.registering) this.askPassphrase(true);
    if (first) this.hint.textContent = _("This user id is protected by a passphrase.");
    this.refuse(first ? "" : said.detail, said.ask || this.data.recovers ? this.passphrase : this.user);
    if (first) this.passphrase.input.focus();
  }

  /** Send a login; return what was said where it was refused, else go where it leads. */
  async post(body) {
    try {
      const answer = await fetch(inLanguage("/auth/login"), {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
      });
      const said = await answer.json();
      if (!answer.ok) return said;
      window.location.assign(at(said.next));
      return null;
    } catch {
      return { detail: _(NO_ANSWER) };
    }
  }

  refuse(sentence, about = this.user) {
    setText(this.refusal, sentence);
    for (const each of [this.user, this.passphrase, this.again]) {
      if (sentence && each === about) each.input.setAttribute("aria-invalid", "true");
      else each.input.removeAttribute("aria-invalid");
    }
    if (sentence && !about.node.hidden) about.input.focus();
  }
}

function field(id, label, more) {
  const input = el("input", {
    id, name: id, type: "text", spellcheck: false, autocapitalize: "none", "aria-describedby": "refusal hint", ...more,
  });
  return { input, node: el("div", { className: "field" }, el("label", { for: id, text: label }), input) };
}

/** What was kept for this tab while it was with the identity provider. */
function take(name) {
  const value = recall("sessionStorage", name);
  remember("sessionStorage", name, "");
  return value;
}
