// @ts-check
/** @import { Item } from "../types" */
/** What an owner gives an item: stars, and the heart of a favourite. */
import { el, iconButton } from "../kit/dom.js";
import { _, ngettext } from "../kit/i18n.js";

const STARS = [1, 2, 3, 4, 5];

export class Marks {
  /**
   * @param {object} callbacks
   * @param {(rating: number) => void} callbacks.rate a click on the stars that are given takes them back: 0
   * @param {() => void} callbacks.favour
   */
  constructor({ rate, favour }) {
    this.rating = 0;
    this.buttons = STARS.map((number) =>
      iconButton("star", ngettext("{count} star", "{count} stars", number), (event) => {
        event.stopPropagation();
        rate(this.rating === number ? 0 : number);
      }),
    );
    this.stars = el("div", { className: "stars", role: "group", "aria-label": _("Rating") }, ...this.buttons);
    this.heart = iconButton("heart", _("Favourite"), favour, { className: "heart", "aria-pressed": false });
  }

  /** @param {Item} item */
  show({ rating, favourite, name }) {
    this.rating = rating;
    for (const [index, button] of this.buttons.entries()) {
      button.classList.toggle("lit", index < rating);
      button.setAttribute("aria-pressed", String(index + 1 === rating));
    }
    this.heart.setAttribute("aria-pressed", String(favourite));
    this.heart.setAttribute("aria-label", _("Favourite: {name}", { name }));
  }

  /** @param {boolean} hidden */
  hide(hidden) {
    this.stars.hidden = hidden;
    this.heart.hidden = hidden;
  }
}
