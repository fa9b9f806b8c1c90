// @ts-check
/** How every component makes and changes its nodes: never from HTML, so that what users typed stays text. */
import { at } from "./address.js";
import { icon } from "./icons.js";

const ADDRESSES = new Set(["href", "src", "action", "poster"]); // properties that hold one

/**
 * Make an element. `text` stays text, `on` holds listeners by event; names with a dash become attributes,
 * the rest properties. What is null or undefined is left out.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} props
 * @param {(Node | string | false | null | undefined)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === "text") node.textContent = value;
    else if (name === "on") for (const [type, listener] of Object.entries(value)) node.addEventListener(type, listener);
    else if (name.includes("-") || name === "role" || name === "for") node.setAttribute(name, value);
    else if (name === "srcset") node.setAttribute(name, value.split(", ").map(at).join(", "));
    else Reflect.set(node, name, ADDRESSES.has(name) ? at(value) : value);
  }
  for (const child of children) if (child) node.append(child);
  return node;
}

/**
 * The element within a node that a selector finds.
 * @param {ParentNode} node
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function find(node, selector) {
  return /** @type {HTMLElement} */ (node.querySelector(selector));
}

/**
 * The element that has the focus, in the shadow tree that a node is in.
 * @param {Node} node
 */
export function focusedBeside(node) {
  return /** @type {Document | ShadowRoot} */ (node.getRootNode()).activeElement;
}

/**
 * A button that shows an icon and is called what it does.
 * @param {string} name the icon
 * @param {string} label
 * @param {(event: MouseEvent) => void} act
 * @param {Record<string, any>} props
 */
export function iconButton(name, label, act, props = {}) {
  const button = el(
    "button",
    { type: "button", title: label, "aria-label": label, ...props, className: `icon-button ${props.className ?? ""}` },
    icon(name),
  );
  button.addEventListener("click", act);
  return button;
}

/**
 * A link into the app that also opens in a new tab; a plain click stays in this one.
 * @param {string} href
 * @param {() => void} act
 * @param {Record<string, any>} props
 * @param {(Node | string | false | null | undefined)[]} children
 */
export function link(href, act, props = {}, ...children) {
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
 * @template {{ id: string }} Item
 * @param {HTMLElement} parent
 * @param {Item[]} items
 * @param {(item: Item) => HTMLElement} make
 * @param {(node: HTMLElement, item: Item) => void} change
 */
export function reconcile(parent, items, make, change) {
  const known = new Map(/** @type {HTMLElement[]} */ ([...parent.children]).map((node) => [node.dataset.id, node]));
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

/**
 * Run `change`; where it removes what had the focus in `parent`, `refuge` finds what gets it.
 * @param {HTMLElement} parent
 * @param {() => void} change
 * @param {() => HTMLElement} refuge
 */
export function keepFocus(parent, change, refuge) {
  const focused = parent.contains(focusedBeside(parent));
  change();
  if (focused && !parent.contains(focusedBeside(parent))) refuge().focus({ preventScroll: true });
}

/**
 * Whether somebody types into it.
 * @param {EventTarget | null} target
 */
export function isTyping(target) {
  return target instanceof Element && target.matches("input:not([type=range], [type=checkbox]), textarea, select");
}

/**
 * @param {Node} node
 * @param {string | number} text
 */
export function setText(node, text) {
  if (node.textContent !== String(text)) node.textContent = String(text);
}

/**
 * Show a sentence, or hide what would hold it.
 * @param {HTMLElement} node
 * @param {string | null | undefined} text
 */
export function showText(node, text) {
  node.hidden = !text;
  setText(node, text || "");
}
