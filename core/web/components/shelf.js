export default function ({ data, parentElement, setTriggerValue }) {
  speak(data.language);
  let root = parentElement.querySelector(".shelf");
  if (!root) {
    root = el("section", { className: "ff shelf", "aria-label": "Your recent work" },
      el("h2", { text: "Your recent work" }),
      el("div", { className: "cards" }),
      el("button", { type: "button", className: "button more", text: "Show more" }));
    parentElement.append(root);
  }
  const [, cards, more] = root.children;
  more.hidden = !data.more;
  more.onclick = () => setTriggerValue("more", "jobs");
  reconcile(cards, data.cards, (card) => makeCard(card, setTriggerValue), changeCard);
}

function makeCard(card, send) {
  return link(card.href, () => send("open", card.id), { className: "card", "data-testid": "job-card" },
    el("div", { className: "stills" }),
    el("div", { className: "words" },
      el("p", { className: "prompt", dir: "auto" }),
      el("div", { className: "line" }, el("span", { className: "chip" }), el("span", { className: "time" })),
      el("p", { className: "summary" }),
      el("div", { className: "bar", role: "progressbar", "aria-label": "Progress", "aria-valuemin": 0, "aria-valuemax": 100 }, el("span"))));
}

function changeCard(node, card) {
  const stills = node.querySelector(".stills");
  stills.dataset.count = card.stills.length;
  reconcile(stills, (card.stills.length ? card.stills : [""]).map((src) => ({ id: src })),
    ({ id }) => (id ? el("img", { src: id, alt: "", loading: "lazy" }) : el("div", { className: "none" }, petals(56))), () => {});
  setText(node.querySelector(".prompt"), card.prompt.trim().replace(/\s+/g, " ").slice(0, 240));
  const chip = node.querySelector(".chip");
  setText(chip, card.label);
  chip.dataset.status = card.status;
  setText(node.querySelector(".time"), card.time);
  setText(node.querySelector(".summary"), card.summary);
  const bar = node.querySelector(".bar");
  bar.hidden = card.percent === null;
  bar.setAttribute("aria-valuenow", card.percent ?? 100);
  bar.firstElementChild.style.setProperty("--share", (card.percent ?? 100) / 100);
  node.classList.toggle("active", card.percent !== null);
}
