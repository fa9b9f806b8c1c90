import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { keepFocus, reconcile } from "../../core/web/frontend/kit/dom.js";

let moved = [];

/** As much of an element as is needed here; it notes what is moved. */
class Node {
  constructor(name = "") {
    this.name = name;
    this.dataset = {};
    this.children = [];
    this.parent = null;
  }

  get firstElementChild() {
    return this.children[0] ?? null;
  }

  get nextElementSibling() {
    return this.parent.children[this.parent.children.indexOf(this) + 1] ?? null;
  }

  insertBefore(node, place) {
    node.remove();
    moved.push(node.dataset.id);
    this.children.splice(place ? this.children.indexOf(place) : this.children.length, 0, node);
    node.parent = this;
  }

  remove() {
    if (this.parent) this.parent.children.splice(this.parent.children.indexOf(this), 1);
    this.parent = null;
  }

  contains(node) {
    return node === this || this.children.some((child) => child.contains(node));
  }

  getRootNode() {
    return this.parent ? this.parent.getRootNode() : this;
  }

  focus() {
    this.getRootNode().activeElement = this;
  }
}

/** Make a parent hold these, and return which nodes were moved or new. */
function show(parent, ids) {
  moved = [];
  const items = [...ids].map((id) => ({ id }));
  reconcile(
    parent,
    items,
    ({ id }) => new Node(id),
    (node, { id }) => {
      node.shows = id;
    },
  );
  assert.equal(parent.children.map((node) => node.name).join(""), ids);
  assert.equal(parent.children.map((node) => node.shows).join(""), ids);
  return moved.join("");
}

let parent = new Node();
beforeEach(() => {
  parent = new Node();
});

test("what is new is put where it belongs", () => {
  assert.equal(show(parent, "ace"), "ace");
  assert.equal(show(parent, "abcde"), "bd");
});

test("a node stays the same one, and is not touched where it did not move", () => {
  show(parent, "abc");
  const [, node] = parent.children;
  assert.equal(show(parent, "abc"), "");
  assert.equal(show(parent, "abcd"), "d");
  assert.equal(parent.children[1], node);
});

test("what moved forward is moved, and nothing else", () => {
  show(parent, "abcd");
  assert.equal(show(parent, "dabc"), "d");
});

test("what is not there any more is taken away", () => {
  show(parent, "abc");
  show(parent, "b");
  show(parent, "");
});

for (const [before, after] of ["abcdef fedcba", "abc xyz", "abcdef badcfe", "ab bxa"].map((pair) => pair.split(" "))) {
  test(`${before} becomes ${after}`, () => {
    show(parent, before);
    const kept = new Map(parent.children.map((node) => [node.name, node]));
    show(parent, after);
    for (const node of parent.children) if (kept.has(node.name)) assert.equal(node, kept.get(node.name));
  });
}

test("what loses the focus by being removed gives it to the refuge, and to nothing else", () => {
  const root = new Node();
  const refuge = new Node();
  root.insertBefore(parent, null);
  root.insertBefore(refuge, null);
  show(parent, "ab");
  const [, last] = parent.children;
  last.focus();
  const refugeOf = () => refuge;
  keepFocus(parent, () => show(parent, "abc"), refugeOf);
  assert.equal(root.activeElement, last);
  const remove = () => {
    show(parent, "a");
    root.activeElement = null; // as browsers do
  };
  keepFocus(parent, remove, refugeOf);
  assert.equal(root.activeElement, refuge);
  root.activeElement = null;
  keepFocus(parent, () => show(parent, ""), refugeOf);
  assert.equal(root.activeElement, null);
});
