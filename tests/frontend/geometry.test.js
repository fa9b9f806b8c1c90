import assert from "node:assert/strict";
import { test } from "node:test";
import { between, formerPlace, neighbour } from "../../core/web/frontend/gallery/geometry.js";

/** Rows of tiles with these widths. */
const WALL = [[100, 300, 100], [250, 250], [500], [50, 200]].flatMap((widths, row) => {
  let offsetLeft = 0;
  return widths.map((offsetWidth) => {
    const box = { offsetTop: row * 200, offsetLeft, offsetWidth };
    offsetLeft += offsetWidth;
    return box;
  });
});

for (const [from, key, to] of [
  [0, "ArrowLeft", null],
  [0, "ArrowRight", 1],
  [2, "ArrowRight", 3],
  [7, "ArrowRight", null],
  [5, "Home", 0],
  [0, "End", 7],
  [0, "ArrowUp", null],
  [0, "ArrowDown", 3],
  [1, "ArrowDown", 3], // both are as near: the first
  [2, "ArrowDown", 4],
  [4, "ArrowUp", 2],
  [3, "ArrowUp", 0],
  [3, "ArrowDown", 5],
  [5, "ArrowUp", 4],
  [5, "ArrowDown", 7],
  [7, "ArrowDown", null],
  [1, "Enter", undefined],
]) {
  test(`${key} leads from tile ${from} to ${to}`, () => assert.equal(neighbour(WALL, from, key), to));
}

test("everything between two is selected, whichever comes first", () => {
  const ids = ["a", "b", "c", "d"];
  assert.deepEqual(between(ids, "b", "d"), ["b", "c", "d"]);
  assert.deepEqual(between(ids, "d", "b"), ["b", "c", "d"]);
  assert.deepEqual(between(ids, "c", "c"), ["c"]);
  assert.deepEqual(between(ids, "gone", "b"), ["a", "b"]);
});

test("what is back stands where it was, among those that are still there", () => {
  const order = ["a", "b", "c", "d"];
  assert.equal(formerPlace(["a", "c", "d"], order, "b"), 1);
  assert.equal(formerPlace(["c"], order, "a"), 0);
  assert.equal(formerPlace(["a", "b"], order, "d"), 2);
  assert.equal(formerPlace([], order, "b"), 0);
  assert.equal(formerPlace(["a", "new", "d"], order, "b"), 1);
});
