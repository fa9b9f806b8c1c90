const NO_ANSWER = "Fivefold does not answer. Please check that it is running, and try again.";

export default function ({ data, parentElement }) {
  if (parentElement.querySelector(".login")) return; // what is typed stays through reruns

  const field = el("input", {
    id: "user_id", name: "user_id", type: "text", autocomplete: "username", spellcheck: false,
    autocapitalize: "none", "aria-describedby": "refusal hint",
  });
  const refusal = el("p", { id: "refusal", className: "refusal", role: "alert" });
  const button = el("button", { type: "submit", className: "button primary", text: "Log in" });

  const refuse = (sentence) => {
    refusal.textContent = sentence;
    field.setAttribute("aria-invalid", "true");
    button.disabled = false;
    field.focus();
  };
  const submit = async (event) => {
    event.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    refusal.textContent = "";
    field.removeAttribute("aria-invalid");
    try {
      const answer = await fetch("/auth/login", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ user_id: field.value, next: data.next }),
      });
      const said = await answer.json();
      if (answer.ok) window.location.assign(said.next);
      else refuse(said.message);
    } catch {
      refuse(NO_ANSWER);
    }
  };

  const bloom = el("div", { className: "bloom" }, petals(400));
  bloom.querySelectorAll("g").forEach((petal, index) => petal.style.setProperty("--turn", index));
  parentElement.append(
    el("main", { className: "ff login" },
      el("div", {},
        el("div", { className: "mark" }, petals(38), "Fivefold"),
        el("h1", {}, el("span", { text: "One prompt in." }), " ", el("span", { text: "Five images and five videos out." })),
        el("p", { className: "lead", text: "Describe what you would like to see, and watch it being made." }),
        el("form", { noValidate: true, on: { submit } },
          el("label", { for: "user_id", text: "User id" }),
          field,
          refusal,
          el("p", { id: "hint", className: "hint", text: "New here? Choose any id; what you make is kept under it." }),
          button,
        ),
      ),
      bloom,
    ),
  );
  requestAnimationFrame(() => field.focus());
}
