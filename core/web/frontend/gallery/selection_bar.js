// @ts-check
/** @import { Gallery } from "./gallery.js" */
/** What can be done with everything that is selected. */
import { MOST_COMPARED } from "../item/compare.js";
import { el, iconButton, setText } from "../kit/dom.js";
import { _, ngettext } from "../kit/i18n.js";
import { icon } from "../kit/icons.js";

export class SelectionBar {
  /** @param {Gallery} gallery */
  constructor(gallery) {
    this.gallery = gallery;
    const { grid, compare } = gallery;
    const { actions } = gallery.tiles;
    this.words = el("span", { className: "words", role: "status" });
    const selectAll = { text: _("Select all"), on: { click: () => grid.chooseAll() } };
    const all = el("button", { type: "button", className: "plain", ...selectAll });
    const download = () =>
      actions.library.download(
        grid.picked.map((each) => each.id),
        (sentence) => actions.snackbar.show(sentence),
      );
    const favour = () => actions.mark(grid.picked, { favourite: grid.picked.some((each) => !each.favourite) });
    this.compare = action("compare", _("Compare"), () => compare.open(grid.picked, this.compare));
    const collect = action("collection", _("Add to a collection"), () => actions.collect(grid.picked, collect));
    this.usual = [
      action("download", _("Download"), download),
      action("heart", _("Favourite"), favour),
      collect,
      this.compare,
      action("bin", _("Move to the bin"), () => actions.bin(grid.picked)),
    ];
    const remove = action("bin", _("Remove for good"), () => actions.remove(grid.picked, remove));
    this.binned = [action("restore", _("Restore"), () => actions.restore(grid.picked)), remove];
    this.node = el(
      "div",
      { className: "selection", role: "toolbar", "aria-label": _("Selected items"), hidden: true },
      this.words,
      all,
      el("div", { className: "acts" }, ...this.usual, ...this.binned),
      iconButton("close", _("Clear the selection"), () => gallery.setPicking(false)),
    );
  }

  /** @param {number} count of what is selected */
  show(count) {
    const { grid, root } = this.gallery;
    const inBin = Boolean(this.gallery.query.bin);
    this.node.hidden = !count && !grid.picking;
    root.classList.toggle("selecting", count > 0);
    const words = count ? ngettext("{count} selected", "{count} selected", count) : _("Select what you want to use");
    setText(this.words, words);
    for (const button of this.usual) button.hidden = inBin;
    for (const button of this.binned) button.hidden = !inBin;
    for (const button of [...this.usual, ...this.binned]) button.disabled = !count;
    this.compare.disabled = count < 2 || count > MOST_COMPARED;
  }
}

/**
 * @param {string} name the icon
 * @param {string} text
 * @param {() => void} run
 */
function action(name, text, run) {
  const props = { type: "button", className: "button slim", title: text, "aria-label": text, on: { click: run } };
  return el("button", props, icon(name), el("span", { className: "text", text }));
}
