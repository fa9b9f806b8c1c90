const CLOSEST = 8; // times as large as it fits
const DOUBLE_CLICK = 2.5;
const SWIPE = 50; // pixels that make it one
const MOVED = 5;

/** Zoom and pan by wheel, double click, drag and two fingers; the same for all that `targets` returns. */
export class Zoom {
  /** `swiped(by)` is called with -1 or 1, `dismissed()` for a swipe down, where nothing is zoomed. */
  constructor({ targets, swiped = () => {}, dismissed = () => {}, zoomed = () => {} }) {
    Object.assign(this, { targets, swiped, dismissed, zoomed, fingers: new Map() });
    this.reset();
  }

  /** Let one area of the screen be zoomed in. */
  watch(area) {
    area.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.by(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), area, event);
    }, { passive: false });
    area.addEventListener("dblclick", (event) => {
      if (isControl(event)) return;
      if (this.scale > 1) this.reset();
      else this.by(DOUBLE_CLICK, area, event);
    });
    area.addEventListener("pointerdown", (event) => this.down(area, event));
    area.addEventListener("pointermove", (event) => this.move(area, event));
    for (const type of ["pointerup", "pointercancel"]) area.addEventListener(type, (event) => this.up(area, event));
  }

  reset() {
    Object.assign(this, { scale: 1, x: 0, y: 0, dragged: false });
    this.apply();
  }

  /** Zoom by a factor around a point of the area, its middle without one. */
  by(factor, area, { clientX, clientY } = {}) {
    const { left, top, width, height } = area.getBoundingClientRect();
    const to = Math.min(CLOSEST, Math.max(1, this.scale * factor));
    const [x, y] = clientX === undefined ? [0, 0] : [clientX - left - width / 2, clientY - top - height / 2];
    this.x = x - ((x - this.x) * to) / this.scale;
    this.y = y - ((y - this.y) * to) / this.scale;
    this.scale = to;
    this.apply(area);
  }

  apply(area) {
    if (area) {
      const { clientWidth: width, clientHeight: height } = area;
      const bound = (value, size) => Math.max(-(this.scale - 1) * size / 2, Math.min((this.scale - 1) * size / 2, value));
      this.x = bound(this.x, width);
      this.y = bound(this.y, height);
    }
    for (const node of this.targets()) node.style.transform = this.scale === 1 ? "" : `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.zoomed(this.scale);
  }

  down(area, event) {
    if (isControl(event) || event.button) return;
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.fingers.size === 1) Object.assign(this, { start: { x: event.clientX, y: event.clientY }, dragged: false, pinched: false });
  }

  move(area, event) {
    const last = this.fingers.get(event.pointerId);
    if (!last) return;
    const here = { x: event.clientX, y: event.clientY };
    const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (!this.dragged && Math.hypot(here.x - this.start.x, here.y - this.start.y) > MOVED) {
      this.dragged = true;
      area.setPointerCapture(event.pointerId); // not before: a click would no longer tell on what
    }
    if (other) {
      this.pinched = true;
      const apart = (one) => Math.max(1, Math.hypot(one.x - other.x, one.y - other.y));
      this.by(apart(here) / apart(last), area, { clientX: (here.x + other.x) / 2, clientY: (here.y + other.y) / 2 });
    } else if (this.scale > 1) {
      this.x += here.x - last.x;
      this.y += here.y - last.y;
      this.apply(area);
    }
    this.fingers.set(event.pointerId, here);
  }

  up(area, event) {
    if (!this.fingers.delete(event.pointerId) || this.scale > 1 || this.pinched || event.type !== "pointerup") return;
    if (event.pointerType === "mouse") return;
    const [x, y] = [event.clientX - this.start.x, event.clientY - this.start.y];
    if (Math.abs(x) > SWIPE && Math.abs(x) > 2 * Math.abs(y)) this.swiped(x < 0 ? 1 : -1);
    else if (y > 2 * SWIPE && y > 2 * Math.abs(x)) this.dismissed();
  }
}

function isControl(event) {
  return Boolean(event.target.closest("button, a, input, .player"));
}
