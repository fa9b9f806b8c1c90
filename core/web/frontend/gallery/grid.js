// @ts-check
/** @import { Item, Tile } from "../types" */
/** @import { Tiles } from "../item/tile.js" */
/**
 * Tiles in rows of one height. There may be ten thousand: only those near the window hold anything.
 * One of them can be tabbed to, the arrow keys lead to the others.
 */
import { el, find, focusedBeside } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";
import { between, formerPlace, neighbour } from "./geometry.js";

const LONG_PRESS_MS = 450;
const MOVED_PX = 8; // a finger that moves so far scrolls
const VIBRATION_MS = 10;
const NEAR = "150%"; // of the height of the window: what is nearer has its content

export class Grid {
  /**
   * @param {Tiles} tiles fills them
   * @param {(ids: Set<string>) => void} selected is called with every new selection
   */
  constructor(tiles, selected) {
    this.tiles = tiles;
    this.selected = selected;
    /** @type {Item[]} */
    this.items = [];
    /** @type {Set<string>} */
    this.chosen = new Set();
    /** @type {string | null} */
    this.anchor = null; // where a selection of several begins
    /** @type {Tile | null} */
    this.current = null;
    this.picking = false; // whether a click selects
    this.held = false; // a long press has selected; the click that ends it does nothing
    /** @type {ReturnType<typeof setTimeout> | null} */
    this.pressed = null;
    this.from = { x: 0, y: 0 };
    /** @type {IntersectionObserver | undefined} */
    this.near = undefined;
    const label = { role: "feed", "aria-label": _("Images and videos"), "aria-busy": false };
    this.node = el("div", { className: "wall", ...label });
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("focusin", (event) => this.makeCurrent(tileAround(event)));
    this.node.addEventListener("click", (event) => this.click(event), true);
    this.node.addEventListener("pointerdown", (event) => this.press(event));
    this.node.addEventListener("pointermove", (event) => this.moved(event));
    for (const type of ["pointerup", "pointercancel"]) this.node.addEventListener(type, () => this.release());
    this.node.addEventListener("contextmenu", (event) => {
      if (this.pressed) event.preventDefault();
    });
  }

  /**
   * Watch what comes near.
   * @param {Element | null} scroller what scrolls around the grid; null: the window
   */
  watch(scroller) {
    const options = { root: scroller, rootMargin: `${NEAR} 0px` };
    this.near = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const tile = /** @type {Tile} */ (target);
        if (isIntersecting) this.fill(tile);
        else this.drain(tile);
      }
    }, options);
  }

  get all() {
    return /** @type {Tile[]} */ ([...this.node.children]);
  }

  /**
   * Show these items and no others.
   * @param {Item[]} items
   */
  set(items) {
    this.near?.disconnect();
    this.items = [...items];
    this.current = null;
    this.anchor = null;
    this.node.replaceChildren(...items.map((item) => this.make(item)));
    this.choose([]);
  }

  /** @param {Item[]} items */
  append(items) {
    const known = new Set(this.items.map((each) => each.id));
    const fresh = items.filter((each) => !known.has(each.id));
    this.items.push(...fresh);
    this.node.append(...fresh.map((item) => this.make(item)));
  }

  /**
   * Put items where they were.
   * @param {Item[]} items
   * @param {string[]} order all ids of that time
   */
  putBack(items, order) {
    for (const item of items) {
      const ids = this.items.map((each) => each.id);
      const index = formerPlace(ids, order, item.id);
      this.items.splice(index, 0, item);
      this.node.insertBefore(this.make(item), this.node.children[index] ?? null);
    }
  }

  /**
   * Bring items up to date, and take away those that left.
   * @param {Item[]} items
   * @param {string[]} leaving
   */
  changed(items, leaving) {
    const fresh = new Map(items.map((each) => [each.id, each]));
    this.items = this.items.map((each) => ({ ...each, ...fresh.get(each.id) }));
    for (const item of items) {
      const tile = this.tiles.tileOf(item);
      if (tile) tile.item = { ...tile.item, ...item };
    }
    if (!leaving.length) return;
    const gone = new Set(leaving);
    const focused = this.node.contains(focusedBeside(this.node));
    const index = this.items.findIndex((each) => gone.has(each.id));
    this.items = this.items.filter((each) => !gone.has(each.id));
    for (const id of leaving) {
      const tile = this.tiles.tileOf({ id });
      if (!tile) continue;
      this.near?.unobserve(tile);
      tile.remove();
    }
    this.choose([...this.chosen].filter((id) => !gone.has(id)));
    const next = this.items[Math.min(index, this.items.length - 1)];
    if (focused && next) this.focus(next);
  }

  /** @param {Item} item */
  make(item) {
    const data = { "data-testid": "tile", "data-state": "done", "data-id": item.id, "aria-label": item.alt };
    const tile = Object.assign(el("article", { className: `tile ${item.kind}`, ...data }), { item });
    const ratio = (item.width || 1) / (item.height || 1);
    tile.style.setProperty("--r", String(Math.max(0.5, Math.min(2.6, ratio))));
    this.near?.observe(tile);
    return tile;
  }

  /** @param {Tile} tile */
  fill(tile) {
    if (tile.firstChild) return;
    const label = _("Select {name}", { name: tile.item.alt });
    const checked = this.chosen.has(tile.item.id);
    const box = el("input", { type: "checkbox", className: "pick", "aria-label": label, checked });
    tile.append(...this.tiles.finished(tile, tile.item), box);
    tile.classList.toggle("chosen", checked);
    tile.setAttribute("aria-posinset", String(this.items.findIndex((each) => each.id === tile.item.id) + 1));
    tile.setAttribute("aria-setsize", String(Math.max(this.tiles.total(), this.items.length)));
    if (!this.current?.isConnected) this.makeCurrent(tile);
    else setTabbable(tile, tile === this.current);
  }

  /** @param {Tile} tile */
  drain(tile) {
    if (tile.contains(focusedBeside(tile))) return;
    tile.replaceChildren();
    if (tile === this.current) this.makeCurrent(this.node.querySelector(".tile:has(.frame)"));
  }

  /** @param {Tile | null} tile */
  makeCurrent(tile) {
    if (!tile || tile === this.current) return;
    if (this.current) setTabbable(this.current, false);
    this.current = tile;
    setTabbable(tile, true);
  }

  /**
   * Give an item's tile the focus and return it.
   * @param {Item} item
   */
  focus(item) {
    const tile = this.tiles.tileOf(item);
    if (!tile) return null;
    this.fill(tile);
    tile.scrollIntoView({ block: "nearest" });
    find(tile, ".frame").focus({ preventScroll: true });
    return tile;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const tile = tileAround(event);
    if (!tile) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "a") {
      event.preventDefault();
      this.chooseAll();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "x") {
      this.toggle(tile.item.id);
      event.preventDefault();
    } else if (event.key === "Escape" && this.chosen.size) {
      this.choose([]);
      event.preventDefault();
    } else if (event.target instanceof Element && event.target.matches(".frame")) this.arrow(event, tile);
  }

  /**
   * @param {KeyboardEvent} event
   * @param {Tile} tile
   */
  arrow(event, tile) {
    const { all } = this;
    const index = neighbour(all, all.indexOf(tile), event.key);
    if (index === undefined) return;
    event.preventDefault();
    const next = index === null ? undefined : all[index];
    if (!next) return;
    if (event.shiftKey) this.chooseTo(next.item.id, tile.item.id);
    this.focus(next.item);
  }

  /**
   * While something is selected, or with Ctrl or Shift, a click selects; else it opens.
   * @param {MouseEvent} event
   */
  click(event) {
    const tile = tileAround(event);
    if (!tile || !this.tiles.host.selectable?.()) return;
    const { id } = tile.item;
    const target = /** @type {Element} */ (event.target);
    const box = target.closest(".pick");
    const modified = event.shiftKey || event.ctrlKey || event.metaKey;
    const byMouse = event.detail > 0;
    const selects = this.held || modified || (byMouse && (this.chosen.size > 0 || this.picking));
    if (!box && !(target.closest(".frame") && selects)) return;
    if (!box) {
      event.preventDefault();
      event.stopPropagation();
    }
    if (this.held) this.held = false;
    else if (event.shiftKey) this.chooseTo(id);
    else this.toggle(id);
  }

  /** @param {PointerEvent} event */
  press(event) {
    const tile = tileAround(event);
    const onFrame = event.target instanceof Element && event.target.closest(".frame");
    if (event.pointerType !== "touch" || !tile || !onFrame || !this.tiles.host.selectable?.()) return;
    const { id } = tile.item;
    this.held = false;
    this.pressed = setTimeout(() => {
      this.held = true;
      this.toggle(id);
      navigator.vibrate?.(VIBRATION_MS);
    }, LONG_PRESS_MS);
    this.from = { x: event.clientX, y: event.clientY };
  }

  /** @param {PointerEvent} event */
  moved(event) {
    if (this.pressed && Math.hypot(event.clientX - this.from.x, event.clientY - this.from.y) >= MOVED_PX)
      this.release();
  }

  release() {
    clearTimeout(this.pressed ?? undefined);
    this.pressed = null;
  }

  /** @param {string} id */
  toggle(id) {
    this.anchor = id;
    this.choose(this.chosen.has(id) ? [...this.chosen].filter((each) => each !== id) : [...this.chosen, id]);
  }

  /**
   * Select everything from the one selected last to this one.
   * @param {string} id
   * @param {string | null} from where none was selected before
   */
  chooseTo(id, from = this.anchor) {
    this.anchor ??= from ?? id;
    const ids = this.items.map((each) => each.id);
    this.choose([...this.chosen, ...between(ids, this.anchor, id)]);
  }

  chooseAll() {
    this.choose(this.items.map((each) => each.id));
  }

  /** @param {string[]} ids */
  choose(ids) {
    this.chosen = new Set(ids);
    for (const tile of this.all) {
      const box = tile.querySelector("input");
      if (!box) continue;
      box.checked = this.chosen.has(tile.item.id);
      tile.classList.toggle("chosen", box.checked);
    }
    this.selected(this.chosen);
  }

  /** The selected items, in the order in which they are shown. */
  get picked() {
    return this.items.filter((each) => this.chosen.has(each.id));
  }
}

/**
 * @param {Event} event
 * @returns {Tile | null}
 */
function tileAround({ target }) {
  return target instanceof Element ? target.closest(".tile") : null;
}

/**
 * @param {Tile} tile
 * @param {boolean} on
 */
function setTabbable(tile, on) {
  const controls = /** @type {NodeListOf<HTMLElement>} */ (tile.querySelectorAll("button, a, input"));
  for (const each of controls) each.tabIndex = on ? 0 : -1;
}
