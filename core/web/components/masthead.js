const PLACES = [["/", "Create"], ["/gallery", "Gallery"]];

export default function ({ data, parentElement, setTriggerValue }) {
  let root = parentElement.querySelector(".masthead");
  if (!root) {
    root = el("header", { className: "ff masthead" });
    parentElement.append(root);
  }
  const trouble = el("p", { className: "trouble", role: "alert", hidden: true });
  const leave = el("button", { type: "button", className: "button", text: "Log out" });
  leave.addEventListener("click", async () => {
    leave.disabled = true;
    try {
      const answer = await fetch("/auth/logout", { method: "POST" });
      window.location.assign((await answer.json()).next);
    } catch {
      trouble.textContent = "Logging out did not work. Is Fivefold still running?";
      trouble.hidden = false;
      leave.disabled = false;
    }
  });
  const places = PLACES.map(([path, name]) => {
    const place = link(path, () => setTriggerValue("go", path), { text: name });
    if (path === data.current) place.setAttribute("aria-current", "page");
    return place;
  });
  root.replaceChildren(
    link("/", () => setTriggerValue("go", "/"), { className: "mark", "aria-label": "Fivefold, to the start" }, petals(34), "Fivefold"),
    el("nav", { "aria-label": "Pages" }, ...places),
    el("div", { className: "who" }, el("span", { text: data.user, title: data.user, "data-testid": "user" }), leave),
    trouble,
  );
}
