// @ts-check
/** Zoom and pan by wheel, double click, drag and two fingers. */

const CLOSEST = 8; // times as large as it fits
const DOUBLE_CLICK = 2.5;
const SWIPE_PX = 50; // that make it one
const MOVED_PX = 5;

/** @typedef {{ x: number, y: number }} Point */

/** All that `targets` returns is zoomed alike. */
export class Zoom {
  /**
   * @param {object} options
   * @param {() => HTMLElement[]} options.targets
   * @param {(by: 1 | -1) => void} [options.swiped] a swipe to the side, where nothing is zoomed
   * @param {() => void} [options.dismissed] a swipe down, where nothing is zoomed
   * @param {(scale: number) => void} [options.zoomed]
   */
  constructor({ targets, swiped = () => {}, dismissed = () => {}, zoomed = () => {} }) {
    this.targets = targets;
    this.swiped = swiped;
    this.dismissed = dismissed;
    this.zoomed = zoomed;
    /** @type {Map<number, Point>} */
    this.fingers = new Map();
    this.start = { x: 0, y: 0 };
    this.pinched = false;
    this.dragged = false;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.reset();
  }

  /**
   * Let one area of the screen be zoomed in.
   * @param {HTMLElement} area
   */
  watch(area) {
    const wheel = (/** @type {WheelEvent} */ event) => {
      event.preventDefault();
      this.by(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), area, event);
    };
    area.addEventListener("wheel", wheel, { passive: false });
    area.addEventListener("dblclick", (event) => {
      if (isControl(event)) return;
      if (this.scale > 1) this.reset();
      else this.by(DOUBLE_CLICK, area, event);
    });
    area.addEventListener("pointerdown", (event) => this.down(event));
    area.addEventListener("pointermove", (event) => this.move(area, event));
    area.addEventListener("pointerup", (event) => this.up(event));
    area.addEventListener("pointercancel", (event) => this.up(event));
  }

  reset() {
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.dragged = false;
    this.apply();
  }

  /**
   * Zoom by a factor around a point of the area, its middle without one.
   * @param {number} factor
   * @param {HTMLElement} area
   * @param {{ clientX: number, clientY: number }} [point]
   */
  by(factor, area, point) {
    const { left, top, width, height } = area.getBoundingClientRect();
    const scale = Math.min(CLOSEST, Math.max(1, this.scale * factor));
    const x = point ? point.clientX - left - width / 2 : 0;
    const y = point ? point.clientY - top - height / 2 : 0;
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.apply(area);
  }

  /** @param {HTMLElement} [area] */
  apply(area) {
    if (area) {
      const most = (/** @type {number} */ size) => ((this.scale - 1) * size) / 2;
      this.x = clamped(this.x, most(area.clientWidth));
      this.y = clamped(this.y, most(area.clientHeight));
    }
    const transform = this.scale === 1 ? "" : `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    for (const node of this.targets()) node.style.transform = transform;
    this.zoomed(this.scale);
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (isControl(event) || event.button) return;
    this.fingers.set(event.pointerId, place(event));
    if (this.fingers.size > 1) return;
    this.start = place(event);
    this.dragged = false;
    this.pinched = false;
  }

  /**
   * @param {HTMLElement} area
   * @param {PointerEvent} event
   */
  move(area, event) {
    const last = this.fingers.get(event.pointerId);
    if (!last) return;
    const here = place(event);
    const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (!this.dragged && distance(here, this.start) > MOVED_PX) {
      this.dragged = true;
      area.setPointerCapture(event.pointerId); // not before: it would change the target of a click
    }
    if (other) {
      this.pinched = true;
      const factor = Math.max(1, distance(here, other)) / Math.max(1, distance(last, other));
      this.by(factor, area, { clientX: (here.x + other.x) / 2, clientY: (here.y + other.y) / 2 });
    } else if (this.scale > 1) {
      this.x += here.x - last.x;
      this.y += here.y - last.y;
      this.apply(area);
    }
    this.fingers.set(event.pointerId, here);
  }

  /** @param {PointerEvent} event */
  up(event) {
    if (!this.fingers.delete(event.pointerId) || this.scale > 1 || this.pinched || event.type !== "pointerup") return;
    if (event.pointerType === "mouse") return;
    const [x, y] = [event.clientX - this.start.x, event.clientY - this.start.y];
    if (Math.abs(x) > SWIPE_PX && Math.abs(x) > 2 * Math.abs(y)) this.swiped(x < 0 ? 1 : -1);
    else if (y > 2 * SWIPE_PX && y > 2 * Math.abs(x)) this.dismissed();
  }
}

/**
 * @param {number} value
 * @param {number} most
 */
function clamped(value, most) {
  return Math.max(-most, Math.min(most, value));
}

/**
 * @param {PointerEvent} event
 * @returns {Point}
 */
function place(event) {
  return { x: event.clientX, y: event.clientY };
}

/**
 * @param {Point} one
 * @param {Point} other
 */
function distance(one, other) {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

/** @param {Event} event */
function isControl(event) {
  return event.target instanceof Element && event.target.closest("button, a, input, .player") !== null;
}
