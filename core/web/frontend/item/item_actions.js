// @ts-check
/** @import { Item, ItemChanges } from "../types" */
/** What an owner does to items: marks, collections, the bin. */
import { copyText, Naming, Question, Snackbar } from "../kit/dialogs.js";
import { _, ngettext } from "../kit/i18n.js";
import { Library, sentence } from "./library_client.js";

/**
 * Where the items are shown.
 * @typedef {object} Host
 * @property {() => Item[]} list
 * @property {(items: Item[], gone: string[]) => void} show shows what has changed
 * @property {(items: Item[], order: string[]) => void} restored
 *   is called with what is back from the bin, and the ids that were there before it went
 */

export class ItemActions {
  /** @param {Host} host */
  constructor(host) {
    this.host = host;
    this.library = new Library();
    this.question = new Question();
    this.naming = new Naming();
    this.snackbar = new Snackbar();
    /** @type {Promise<string[]> | null} */
    this.collectionNames = null;
  }

  /** @param {Item} item */
  favour(item) {
    return this.mark([item], { favourite: !item.favourite });
  }

  /**
   * @param {Item} item
   * @param {number} rating
   */
  rate(item, rating) {
    return this.mark([item], { rating });
  }

  /**
   * Change marks: at once on the screen, and back where it could not be stored.
   * @param {Item[]} items
   * @param {{ favourite?: boolean, rating?: number }} changes
   */
  async mark(items, changes) {
    this.host.show(
      items.map((each) => ({ ...each, ...changes })),
      [],
    );
    const done = await this.change(items, changes);
    if (!done) this.host.show(items, []);
    return done;
  }

  /** The names of the user's collections. */
  collections() {
    this.collectionNames ??= this.library
      .facets({})
      .then(({ collections }) => collections.map(({ name }) => name))
      .catch(() => {
        this.collectionNames = null;
        return [];
      });
    return this.collectionNames;
  }

  /**
   * @param {Item[]} items
   * @param {HTMLElement} opener
   */
  async collect(items, opener) {
    const names = await this.collections();
    this.naming.open({ title: _("Add to a collection"), yes: _("Add"), names }, opener, async (name) => {
      if (await this.change(items, { collect: name }))
        this.snackbar.show(
          ngettext("{count} item is in “{name}”.", "{count} items are in “{name}”.", items.length, { name }),
        );
    });
  }

  /** @param {Item[]} items */
  async bin(items) {
    const order = this.host.list().map((each) => each.id);
    if (!(await this.change(items, { bin: true }))) return;
    const message = ngettext("{count} item is in the bin.", "{count} items are in the bin.", items.length);
    this.snackbar.show(message, _("Undo"), async () => {
      if (await this.change(items, { bin: false })) this.host.restored(items, order);
    });
  }

  /** @param {Item[]} items */
  async restore(items) {
    if (await this.change(items, { bin: false }))
      this.snackbar.show(ngettext("{count} item is back.", "{count} items are back.", items.length));
  }

  /**
   * @param {Item[]} items
   * @param {HTMLElement} opener
   */
  remove(items, opener) {
    const words = {
      title: ngettext("Remove {count} item for good?", "Remove {count} items for good?", items.length),
      text: _("The files are deleted now. This cannot be taken back."),
      yes: _("Remove for good"),
      no: _("Keep"),
    };
    this.question.open(words, opener, async () => {
      if (await this.change(items, { remove: true }))
        this.snackbar.show(ngettext("{count} item is gone.", "{count} items are gone.", items.length));
    });
  }

  /**
   * @param {Item} item
   * @param {HTMLElement} near where nothing lies above
   */
  async copyPrompt(item, near) {
    const done = await copyText(item.prompt, near);
    this.snackbar.show(done ? _("Copied") : _("This browser does not let Fivefold copy; select the text instead."));
  }

  /**
   * Change items on the server and then on the screen; false, with a message, where that fails.
   * @param {Item[]} items
   * @param {ItemChanges} changes
   */
  async change(items, changes) {
    try {
      const ids = items.map((each) => each.id);
      const { items: changed, gone } = await this.library.change(ids, changes);
      if (changes.collect) this.collectionNames = null;
      this.host.show(changed, gone);
      return true;
    } catch (error) {
      this.snackbar.show(sentence(error));
      return false;
    }
  }
}
