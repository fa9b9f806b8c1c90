// @ts-check
/** Where things are in a grid whose rows have one height and any number of tiles, and what lies between two. */

/**
 * What of a tile counts here, in pixels; `HTMLElement` has it.
 * @typedef {{ offsetTop: number, offsetLeft: number, offsetWidth: number }} Box
 */

/**
 * Where an arrow key, Home or End leads from a tile.
 * @param {ArrayLike<Box>} tiles in reading order
 * @param {number} index of the tile
 * @param {string} key as `KeyboardEvent.key` has it
 * @returns {number | null | undefined} an index; null: nowhere, undefined: the key leads to none
 */
export function neighbour(tiles, index, key) {
  const last = tiles.length - 1;
  if (key === "ArrowLeft") return index > 0 ? index - 1 : null;
  if (key === "ArrowRight") return index < last ? index + 1 : null;
  if (key === "Home") return 0;
  if (key === "End") return last;
  if (key !== "ArrowUp" && key !== "ArrowDown") return undefined;
  return inNextRow(tiles, index, key === "ArrowUp" ? -1 : 1);
}

/**
 * The tile of the next row that is nearest to the middle of this one.
 * @param {ArrayLike<Box>} tiles
 * @param {number} index
 * @param {1 | -1} step down or up
 */
function inNextRow(tiles, index, step) {
  const at = (/** @type {number} */ each) => /** @type {Box} */ (tiles[each]);
  const off = (/** @type {number} */ each) => Math.abs(middle(at(each)) - middle(at(index)));
  let next = index;
  while (tiles[next] && at(next).offsetTop === at(index).offsetTop) next += step;
  if (!tiles[next]) return null;
  const row = at(next).offsetTop;
  let best = next;
  for (; tiles[next] && at(next).offsetTop === row; next += step) if (off(next) < off(best)) best = next;
  return best;
}

/** @param {Box} box */
function middle({ offsetLeft, offsetWidth }) {
  return offsetLeft + offsetWidth / 2;
}

/**
 * All ids from one to another, in whichever order they are given; from the first where one is not there.
 * @param {string[]} ids
 * @param {string} one
 * @param {string} other
 */
export function between(ids, one, other) {
  const [first = 0, last = 0] = [ids.indexOf(one), ids.indexOf(other)].sort((a, b) => a - b);
  return ids.slice(Math.max(0, first), last + 1);
}

/**
 * The index at which an item belongs that was at some place before.
 * @param {string[]} ids that are there now
 * @param {string[]} order all ids of that time
 * @param {string} id
 */
export function formerPlace(ids, order, id) {
  const places = new Map(order.map((each, index) => [each, index]));
  const place = places.get(id) ?? 0;
  const index = ids.findIndex((each) => (places.get(each) ?? Number.POSITIVE_INFINITY) > place);
  return index < 0 ? ids.length : index;
}
