/* What every component is built with. `CATALOGUES` (language → text → translation) comes before it. */
let catalogue = {};
let spoken = "en";

/** Speak a language from now on; every component does so first of all. */
function speak(language) {
  spoken = language ?? "en";
  catalogue = CATALOGUES[spoken] ?? {};
}

/** A text in the language spoken, with `{name}` replaced by the value of that name. */
function _(text, values = {}) {
  return fill(catalogue[text] || text, values);
}

/** The form of a text that goes with a number, which is the value `count`. */
function ngettext(one, many, count, values = {}) {
  const forms = catalogue[one];
  const plural = count === 1 ? 0 : 1; // as English and German have it
  return fill((Array.isArray(forms) && forms[plural]) || [one, many][plural], { count, ...values });
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an element. `text` stays text; names with a dash become attributes, the rest properties. */
function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === "text") node.textContent = value;
    else if (name === "on") for (const [type, act] of Object.entries(value)) node.addEventListener(type, act);
    else if (name.includes("-") || name === "role" || name === "for") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter(Boolean));
  return node;
}

function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const PETAL = "M0 -3.2 C -9 -10 -9.6 -22 0 -29 C 9.6 -22 9 -10 0 -3.2 Z";
const FOLD = "M0 -3.2 C 9 -10 9.6 -22 0 -29 Z";
const HUES = ["#d9593d", "#e0a03a", "#5f9d6b", "#2f8a96", "#86609f"];

/** The mark: five petals, each folded along its middle. */
function petals(size) {
  const flower = svg("svg", { viewBox: "-32 -32 64 64", width: size, height: size, class: "petals", "aria-hidden": "true" });
  HUES.forEach((hue, index) => {
    const petal = svg("g", { transform: `rotate(${index * 72})` });
    petal.append(
      svg("path", { d: PETAL, fill: hue }),
      svg("path", { d: FOLD, fill: "#000", opacity: "0.16" }),
    );
    flower.append(petal);
  });
  return flower;
}

const ICONS = {
  play: "M8 5.5v13l11-6.5z",
  download: "M12 4v10m0 0 4-4m-4 4-4-4M5 19h14",
  close: "M6 6l12 12M18 6 6 18",
  previous: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  info: "M12 11v6M12 7.2v.1M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  animate: "M4 6h9v12H4zM13 10l7-4v12l-7-4",
  bell: "M6.5 10a5.5 5.5 0 0 1 11 0c0 5 2 6.5 2 6.5h-15s2-1.5 2-6.5M10 19.6a2.2 2.2 0 0 0 4 0",
  check: "M5 12.5l4.5 4.5L19 7.5",
  clock: "M12 7v5l3.2 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  alert: "M12 8v5m0 3.2v.1M12 3.5l9 16H3z",
};

function icon(name) {
  return svg("svg", { viewBox: "0 0 24 24", class: `icon icon-${name}`, "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
}

/** A link into the app that also opens in a new tab; a plain click stays in this one. */
function link(href, act, props = {}, ...children) {
  const anchor = el("a", { ...props, href }, ...children);
  anchor.addEventListener("click", (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button) return;
    event.preventDefault();
    act();
  });
  return anchor;
}

/**
 * Make `parent` hold one node an item, in order, keeping the nodes that are there already: a
 * node that did not move is not touched, so that what plays in it goes on playing.
 */
function reconcile(parent, items, make, change) {
  const known = new Map([...parent.children].map((node) => [node.dataset.id, node]));
  let place = parent.firstElementChild;
  for (const item of items) {
    let node = known.get(item.id);
    known.delete(item.id);
    if (!node) {
      node = make(item);
      node.dataset.id = item.id;
    }
    change(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const gone of known.values()) gone.remove();
}

/** Run `change`; where it removes what had the focus in `parent`, `refuge` finds what gets it. */
function keepFocus(parent, change, refuge) {
  const root = parent.getRootNode();
  const focused = parent.contains(root.activeElement);
  change();
  if (focused && !parent.contains(root.activeElement)) refuge().focus({ preventScroll: true });
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
