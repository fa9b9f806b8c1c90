import assert from "node:assert/strict";
import { test } from "node:test";
import { align, clock, leader, length, seek, stepped } from "../../core/web/frontend/item/playback.js";

const clip = (duration, currentTime = 0, seeking = false) => ({ duration, currentTime, seeking });

test("seconds are written as a clock does", () => {
  assert.deepEqual([0, 9.99, 60, 61, 600, 3_605].map(clock), ["0:00", "0:09", "1:00", "1:01", "10:00", "60:05"]);
  assert.equal(clock(Number.NaN), "0:00");
});

test("the longest clip leads, of equal ones the first", () => {
  const [short, long, same] = [clip(4), clip(8), clip(8)];
  assert.equal(leader([short, long, same]), long);
  assert.equal(leader([clip(Number.NaN), short]), short);
  assert.equal(leader([]), undefined);
});

test("a clip whose length is not known yet has none", () => {
  assert.equal(length(clip(Number.NaN)), 0);
  assert.equal(length(undefined), 0);
});

test("nothing is put before its start or after its end", () => {
  const one = clip(4);
  const times = [-1, 2.5, 9].map((seconds) => {
    seek(one, seconds);
    return one.currentTime;
  });
  assert.deepEqual(times, [0, 2.5, 4]);
});

test("a step is one of 24 frames a second", () => {
  assert.equal(stepped(1, 1), 1 + 1 / 24);
  assert.equal(stepped(1, -24), 0);
});

test("clips that drift are brought back, those that hardly do are left alone", () => {
  const lead = clip(8, 3);
  const [near, late, early, busy] = [clip(8, 3.05), clip(8, 2.9), clip(8, 3.1), clip(8, 1, true)];
  align([lead, near, late, early, busy], lead);
  assert.deepEqual(
    [near, late, early, busy].map((each) => each.currentTime),
    [3.05, 3, 3, 1],
  );
});

test("a shorter clip waits at its end", () => {
  const lead = clip(8, 6);
  const short = clip(4, 4);
  align([lead, short], lead);
  assert.equal(short.currentTime, 4);
});
