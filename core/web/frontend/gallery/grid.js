import { el } from "../kit/dom.js";
import { _ } from "../kit/i18n.js";

const LONG_PRESS_MS = 450;
const NEAR = "150%"; // of the height of the window: what is nearer has its content

/**
 * Tiles in rows of one height. There may be ten thousand: only those near the window hold anything.
 * One of them can be tabbed to, the arrow keys lead to the others.
 */
export class Grid {
  /** `tiles` fills them; `selected(ids)` is told of every change of what is selected. */
  constructor(tiles, { selected }) {
    Object.assign(this, { tiles, selected, items: [], chosen: new Set(), anchor: null, current: null });
    this.node = el("div", { className: "wall", role: "feed", "aria-label": _("Images and videos"), "aria-busy": false });
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("focusin", (event) => this.makeCurrent(event.target.closest(".tile")));
    this.node.addEventListener("click", (event) => this.click(event), true);
    this.node.addEventListener("pointerdown", (event) => this.press(event));
    for (const type of ["pointerup", "pointercancel", "pointermove"]) this.node.addEventListener(type, (event) => this.release(event));
    this.node.addEventListener("contextmenu", (event) => { if (this.pressed) event.preventDefault(); });
  }

  /** Watch what comes near; `scroller` is what scrolls around the grid. */
  watch(scroller) {
    this.near = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) (isIntersecting ? this.fill(target) : this.drain(target));
    }, { root: scroller, rootMargin: `${NEAR} 0px` });
  }

  /** Show these items and no others. */
  set(items) {
    this.near.disconnect();
    this.items = [...items];
    this.current = this.anchor = null;
    this.node.replaceChildren(...items.map((item) => this.make(item)));
    this.choose([]);
  }

  append(items) {
    const known = new Set(this.items.map((each) => each.id));
    const fresh = items.filter((each) => !known.has(each.id));
    this.items.push(...fresh);
    this.node.append(...fresh.map((item) => this.make(item)));
  }

  /** Put items where they were; `order` are all ids of that time. */
  putBack(items, order) {
    const place = new Map(order.map((id, index) => [id, index]));
    for (const item of items) {
      const at = this.items.findIndex((each) => (place.get(each.id) ?? Infinity) > place.get(item.id));
      const index = at < 0 ? this.items.length : at;
      this.items.splice(index, 0, item);
      this.node.insertBefore(this.make(item), this.node.children[index] ?? null);
    }
  }

  /** Bring items up to date, and take away those that left. */
  changed(items, leaving) {
    const fresh = new Map(items.map((each) => [each.id, each]));
    this.items = this.items.map((each) => (fresh.has(each.id) ? { ...each, ...fresh.get(each.id) } : each));
    for (const item of items) {
      const tile = this.tiles.tileOf(item);
      if (tile) tile.item = { ...tile.item, ...item };
    }
    if (!leaving.length) return;
    const gone = new Set(leaving);
    const focused = this.node.contains(this.node.getRootNode().activeElement);
    const at = this.items.findIndex((each) => gone.has(each.id));
    this.items = this.items.filter((each) => !gone.has(each.id));
    for (const id of leaving) {
      const tile = this.tiles.tileOf({ id });
      if (!tile) continue;
      this.near.unobserve(tile);
      tile.remove();
    }
    this.choose([...this.chosen].filter((id) => !gone.has(id)));
    if (focused && this.items.length) this.focus(this.items[Math.min(at, this.items.length - 1)]);
  }

  make(item) {
    const tile = el("article", { className: `tile ${item.kind}`, "data-testid": "tile", "data-state": "done", "data-id": item.id, "aria-label": item.alt });
    tile.item = item;
    tile.style.setProperty("--r", Math.max(0.5, Math.min(2.6, (item.width || 1) / (item.height || 1))));
    this.near.observe(tile);
    return tile;
  }

  fill(tile) {
    if (tile.firstChild) return;
    const box = el("input", { type: "checkbox", className: "pick", "aria-label": _("Select {name}", { name: tile.item.alt }), checked: this.chosen.has(tile.item.id) });
    tile.append(...this.tiles.finished(tile, tile.item), box);
    tile.classList.toggle("chosen", box.checked);
    tile.setAttribute("aria-posinset", this.items.findIndex((each) => each.id === tile.item.id) + 1);
    tile.setAttribute("aria-setsize", Math.max(this.tiles.total(), this.items.length));
    if (!this.current?.isConnected) this.makeCurrent(tile);
    else setTabbable(tile, tile === this.current);
  }

  drain(tile) {
    if (tile.contains(tile.getRootNode().activeElement)) return;
    tile.replaceChildren();
    if (tile === this.current) this.makeCurrent(this.node.querySelector(".tile:has(.frame)"));
  }

  makeCurrent(tile) {
    if (!tile || tile === this.current) return;
    if (this.current) setTabbable(this.current, false);
    this.current = tile;
    setTabbable(tile, true);
  }

  /** Give an item's tile the focus and return it. */
  focus(item) {
    const tile = this.tiles.tileOf(item);
    if (!tile) return null;
    this.fill(tile);
    tile.scrollIntoView({ block: "nearest" });
    tile.querySelector(".frame").focus({ preventScroll: true });
    return tile;
  }

  key(event) {
    const tile = event.target.closest(".tile");
    if (!tile) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "a") {
      event.preventDefault();
      this.choose(this.items.map((each) => each.id));
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "x") { this.toggle(tile.item.id); event.preventDefault(); return; }
    if (event.key === "Escape" && this.chosen.size) { this.choose([]); event.preventDefault(); return; }
    if (!event.target.matches(".frame")) return;
    const to = this.neighbour(tile, event.key);
    if (to === undefined) return;
    event.preventDefault();
    if (!to) return;
    if (event.shiftKey) this.chooseTo(to.item.id, tile.item.id);
    this.focus(to.item);
  }

  /** Where an arrow key leads to; undefined: it is none, null: nowhere. */
  neighbour(tile, key) {
    const all = this.node.children;
    if (key === "ArrowLeft") return tile.previousElementSibling;
    if (key === "ArrowRight") return tile.nextElementSibling;
    if (key === "Home") return all[0];
    if (key === "End") return all[all.length - 1];
    if (key !== "ArrowUp" && key !== "ArrowDown") return undefined;
    const step = key === "ArrowUp" ? "previousElementSibling" : "nextElementSibling";
    const middle = tile.offsetLeft + tile.offsetWidth / 2;
    let row = tile[step];
    while (row && row.offsetTop === tile.offsetTop) row = row[step];
    let best = row;
    for (let each = row; each && each.offsetTop === row.offsetTop; each = each[step]) {
      const off = (one) => Math.abs(one.offsetLeft + one.offsetWidth / 2 - middle);
      if (off(each) < off(best)) best = each;
    }
    return best;
  }

  /** While something is selected, or with Ctrl or Shift, a click selects; else it opens. */
  click(event) {
    const tile = event.target.closest(".tile");
    if (!tile || !this.tiles.acts.selectable?.()) return;
    const { id } = tile.item;
    const box = event.target.closest(".pick");
    const onFrame = event.target.closest(".frame");
    const byMouse = event.detail > 0;
    if (!box && !(onFrame && (this.held || event.shiftKey || event.ctrlKey || event.metaKey || (byMouse && (this.chosen.size || this.picking))))) return;
    if (!box) { event.preventDefault(); event.stopPropagation(); }
    if (this.held) { this.held = false; return; }
    if (event.shiftKey) this.chooseTo(id);
    else this.toggle(id);
  }

  press(event) {
    if (event.pointerType !== "touch" || !event.target.closest(".frame") || !this.tiles.acts.selectable?.()) return;
    const { id } = event.target.closest(".tile").item;
    this.held = false;
    this.pressed = setTimeout(() => { this.held = true; this.toggle(id); navigator.vibrate?.(10); }, LONG_PRESS_MS);
    this.from = [event.clientX, event.clientY];
  }

  release(event) {
    if (event.type === "pointermove" && (!this.pressed || Math.hypot(event.clientX - this.from[0], event.clientY - this.from[1]) < 8)) return;
    clearTimeout(this.pressed);
    this.pressed = null;
  }

  toggle(id) {
    this.anchor = id;
    this.choose(this.chosen.has(id) ? [...this.chosen].filter((each) => each !== id) : [...this.chosen, id]);
  }

  /** Select everything from the one selected last to this one. */
  chooseTo(id, from = this.anchor) {
    const ids = this.items.map((each) => each.id);
    this.anchor ??= from ?? id;
    const [first, last] = [ids.indexOf(this.anchor), ids.indexOf(id)].sort((one, other) => one - other);
    this.choose([...this.chosen, ...ids.slice(Math.max(0, first), last + 1)]);
  }

  choose(ids) {
    this.chosen = new Set(ids);
    for (const tile of this.node.children) {
      const box = tile.querySelector(".pick");
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

function setTabbable(tile, on) {
  for (const each of tile.querySelectorAll("button, a, input")) each.tabIndex = on ? 0 : -1;
}
