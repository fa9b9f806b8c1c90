// @ts-check
/** @import { Gallery } from "./gallery.js" */
/** Where in the gallery one is, beyond all of it: in the bin, in a collection, where nothing is. */
import { sentence } from "../item/library_client.js";
import { visit } from "../kit/address.js";
import { el } from "../kit/dom.js";
import { _, ngettext } from "../kit/i18n.js";
import { petals } from "../kit/icons.js";

export class Place {
  /** @param {Gallery} gallery */
  constructor(gallery) {
    this.gallery = gallery;
    this.node = el("div", { className: "place", hidden: true });
    /** Stands where items would be. */
    this.empty = el("div", { className: "empty", hidden: true });
  }

  show() {
    const { query, data } = this.gallery;
    const { bin, collection } = query;
    this.node.hidden = !(bin || (collection && data.owned));
    if (bin) {
      const text = ngettext(
        "What lies here is removed for good after {count} day.",
        "What lies here is removed for good after {count} days.",
        data.binDays,
      );
      const back = slimButton(_("Back to the gallery"), () => this.gallery.look({ bin: "" }));
      this.node.replaceChildren(el("h2", { text: _("Bin") }), el("p", { text }), back);
    } else if (collection) {
      const rename = slimButton(_("Rename"), () => this.rename(collection, rename));
      const drop = slimButton(_("Delete collection"), () => this.drop(collection, drop));
      this.node.replaceChildren(el("h2", { dir: "auto", text: collection }), rename, drop);
    }
  }

  /**
   * Say why nothing is here, and what to do about it.
   * @param {boolean} empty whether nothing is
   */
  showEmpty(empty) {
    this.empty.hidden = !empty;
    if (!empty) return;
    const { filters, query } = this.gallery;
    if (filters.narrow) {
      const text = _("Nothing of yours fits all of this. Take a filter away, or look for another word.");
      this.fill(_("Nothing found"), text, _("Clear all filters"), () => filters.clear());
    } else if (query.bin) {
      const text = _("What you delete stays here for a while before it is gone for good.");
      this.fill(_("The bin is empty"), text, _("Back to the gallery"), () => this.gallery.look({ bin: "" }));
    } else {
      const text = _("Every image and video that you make will hang here.");
      this.fill(_("Your gallery is empty"), text, _("Create something"), () => visit("/"));
    }
  }

  /**
   * @param {string} title
   * @param {string} text
   * @param {string} act the button's label
   * @param {() => void} click
   */
  fill(title, text, act, click) {
    const button = el("button", { type: "button", className: "button primary", text: act, on: { click } });
    this.empty.replaceChildren(petals(56), el("h2", { text: title }), el("p", { text }), button);
  }

  /**
   * @param {string} collection
   * @param {HTMLElement} opener
   */
  rename(collection, opener) {
    const words = { title: _("Rename the collection"), yes: _("Rename"), value: collection };
    const rename = (/** @type {string} */ name) => this.change({ name: collection, rename: name }, name);
    this.gallery.tiles.actions.naming.open(words, opener, rename);
  }

  /**
   * @param {string} collection
   * @param {HTMLElement} opener
   */
  drop(collection, opener) {
    const words = {
      title: _("Delete the collection “{name}”?", { name: collection }),
      text: _("Its images and videos stay in the gallery."),
      yes: _("Delete collection"),
      no: _("Keep"),
    };
    const drop = () => this.change({ name: collection, delete: true }, "");
    this.gallery.tiles.actions.question.open(words, opener, drop);
  }

  /**
   * @param {{ name: string, rename?: string, delete?: boolean }} change
   * @param {string} becomes what the collection is called then; empty: it is gone
   */
  async change(change, becomes) {
    const { actions } = this.gallery.tiles;
    try {
      await actions.library.collections(change);
    } catch (error) {
      actions.snackbar.show(sentence(error));
      return;
    }
    actions.collectionNames = null;
    this.gallery.look({ collection: becomes });
    this.gallery.facets();
  }
}

/**
 * @param {string} text
 * @param {() => void} click
 */
function slimButton(text, click) {
  return el("button", { type: "button", className: "button slim", text, on: { click } });
}
