import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { EventStream } from "../../core/web/frontend/kit/event_stream.js";

/** What the server answers to a question; a test sets it. */
let answer = { status: 200, body: {} };
let questions = 0;
/** @type {FakeSource[]} */
let sources = [];
let reloads = 0;
/** @type {(() => void)[]} */
let onVisibilityChange = [];

class FakeSource {
  constructor() {
    this.listeners = {};
    this.open = true;
    sources.push(this);
  }

  addEventListener(name, listener) {
    this.listeners[name] = listener;
  }

  close() {
    this.open = false;
  }

  send(name, data = {}) {
    this.listeners[name]({ data: JSON.stringify(data) });
  }
}

/** A stream of something that goes on, with what its listener received. */
function following({ goesOn = true } = {}) {
  const node = { isConnected: true };
  const received = { updates: [], troubles: [], gone: 0, goesOn };
  const stream = new EventStream(node, {
    update: (name, data) => received.updates.push([name, data]),
    goesOn: () => received.goesOn,
    trouble: (sentence) => received.troubles.push(sentence),
    gone: () => {
      received.gone += 1;
    },
  });
  stream.follow("/events", "/live");
  return { node, stream, received };
}

/** Let what was answered arrive. */
async function settled() {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

async function pass(ms) {
  mock.timers.tick(ms);
  await settled();
}

async function setHidden(hidden) {
  document.hidden = hidden;
  for (const listener of onVisibilityChange) listener();
  await settled();
}

const open = () => sources.filter((source) => source.open);

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  answer = { status: 200, body: { now: "1" } };
  questions = 0;
  sources = [];
  reloads = 0;
  onVisibilityChange = [];
  globalThis.EventSource = FakeSource;
  globalThis.document = { hidden: false, addEventListener: (_name, listener) => onVisibilityChange.push(listener) };
  globalThis.location = {
    reload: () => {
      reloads += 1;
    },
  };
  globalThis.fetch = async () => {
    questions += 1;
    const { status, body } = answer;
    if (status === 0) throw new TypeError("no network");
    return { status, ok: status < 400, json: async () => body };
  };
});

afterEach(() => mock.timers.reset());

test("what is pushed is passed on, and nothing is asked for", async () => {
  const { received } = following();
  sources[0].send("snapshot", { now: "1" });
  sources[0].send("patch", { now: "2" });
  await pass(11_000);
  assert.deepEqual(received.updates, [
    ["snapshot", { now: "1" }],
    ["patch", { now: "2" }],
  ]);
  assert.equal(questions, 0);
});

test("what has ended is not followed", () => {
  following({ goesOn: false });
  assert.equal(sources.length, 0);
});

test("the stream ends with what it was about", () => {
  const { received } = following();
  received.goesOn = false;
  sources[0].send("patch");
  assert.equal(open().length, 0);
});

test("where nothing can be pushed, it asks every two seconds, and tries to push again after half a minute", async () => {
  const { received } = following();
  await pass(5_000); // the stream says nothing
  assert.equal(open().length, 0);
  assert.equal(questions, 1);
  assert.deepEqual(received.updates, [["polled", { now: "1" }]]);
  for (let second = 0; second < 28; second += 2) await pass(2_000);
  assert.equal(questions, 15);
  assert.equal(sources.length, 1);
  await pass(2_000);
  assert.equal(open().length, 1);
});

test("a stream that worked before is opened again with the first answer", async () => {
  following();
  sources[0].send("beat");
  await pass(12_000); // no sign of life
  assert.equal(questions, 1);
  assert.equal(sources.length, 2);
  assert.equal(open().length, 1);
});

test("an error of an older stream says nothing about the new one", async () => {
  following();
  sources[0].send("beat");
  await pass(12_000);
  sources[0].listeners.error();
  await settled();
  assert.equal(open().length, 1);
});

test("a tab that nobody looks at gives its stream up after a while, and asks less often", async () => {
  following();
  sources[0].send("beat");
  await setHidden(true);
  await pass(10_000);
  sources[0].send("beat");
  await pass(10_000);
  assert.equal(open().length, 0);
  assert.equal(questions, 1);
  await pass(5_000);
  assert.equal(questions, 2);
  await setHidden(false);
  assert.equal(open().length, 1);
});

test("a listener may give up its stream sooner in a hidden tab, and poll less often", async () => {
  const listener = { update: () => {}, goesOn: () => true, trouble: () => {}, gone: () => {} };
  const times = { pollMs: 5_000, hiddenPollMs: 30_000, hiddenMs: 2_000 };
  new EventStream({ isConnected: true }, listener, times).follow("/events", "/live");
  sources[0].send("beat");
  await setHidden(true);
  await pass(2_000);
  assert.equal(open().length, 0);
  assert.equal(questions, 1);
  await pass(29_000);
  assert.equal(questions, 1);
  await pass(1_000);
  assert.equal(questions, 2);
});

test("a tab that is looked at again at once keeps its stream", async () => {
  following();
  sources[0].send("beat");
  await setHidden(true);
  await setHidden(false);
  await pass(11_000);
  sources[0].send("beat");
  await pass(11_000);
  assert.deepEqual(open(), [sources[0]]);
});

test("what is gone is followed no further", async () => {
  const { received } = following();
  answer = { status: 404, body: { detail: "nothing" } };
  await pass(5_000);
  assert.equal(received.gone, 1);
  await pass(60_000);
  assert.equal(questions, 1);
});

test("a login that ended leads to the login page", async () => {
  following();
  answer = { status: 401, body: {} };
  await pass(5_000);
  assert.equal(reloads, 1);
});

test("trouble is shown in the server's words, or in ours where it does not answer, and taken back", async () => {
  const { received } = following();
  answer = { status: 503, body: { detail: "The database does not answer." } };
  await pass(5_000);
  assert.equal(received.troubles.at(-1), "The database does not answer.");
  answer = { status: 0, body: {} };
  await pass(2_000);
  assert.match(received.troubles.at(-1), /^Fivefold does not answer/);
  answer = { status: 200, body: { now: "2" } };
  await pass(2_000);
  assert.equal(received.troubles.at(-1), "");
});

test("an answer that a newer question has overtaken is dropped", async () => {
  const { stream, received } = following();
  const first = stream.look();
  answer = { status: 200, body: { now: "2" } };
  const second = stream.look();
  assert.deepEqual([await first, await second], [false, true]);
  assert.deepEqual(received.updates, [["polled", { now: "2" }]]);
});

test("what was taken off the page is not kept up to date", async () => {
  const { node, received } = following();
  node.isConnected = false;
  sources[0].send("snapshot");
  assert.deepEqual(received.updates, []);
  assert.equal(open().length, 0);
  await pass(60_000);
  assert.equal(questions, 0);
});

test("another address is followed on a stream of its own", () => {
  const { stream } = following();
  stream.follow("/events", "/live");
  assert.equal(sources.length, 1);
  stream.follow("/events?limit=16", "/live?limit=16");
  assert.deepEqual(open(), [sources[1]]);
});
