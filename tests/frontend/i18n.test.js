import assert from "node:assert/strict";
import { test } from "node:test";

const CATALOGUE = { "Log out": "Abmelden", "{count} star": ["{count} Stern", "{count} Sterne"], Empty: "" };
const asked = [];
let reloads = 0;
globalThis.document = { documentElement: { lang: "" } };
globalThis.location = {
  reload: () => {
    reloads += 1;
  },
};
globalThis.fetch = async (address) => {
  asked.push(String(address).split("/").slice(-2).join("/"));
  return { json: async () => CATALOGUE };
};
const { _, language, locale, ngettext, speak } = await import("../../core/web/frontend/kit/i18n.js");

test("English is what stands in the code, and nothing is fetched for it", async () => {
  await speak("en");
  assert.equal(_("Log out"), "Log out");
  assert.equal(_("{a} and {b}, {c}", { a: 1, b: "two" }), "1 and two, {c}");
  assert.equal(ngettext("{count} star", "{count} stars", 1), "1 star");
  assert.equal(ngettext("{count} star", "{count} stars", 0), "0 stars");
  assert.equal(locale(), "en-GB");
  assert.deepEqual(asked, []);
});

test("another language is fetched once, and leads to another page", async () => {
  await Promise.all([speak("de"), speak("de")]);
  await speak("de");
  assert.deepEqual(asked, ["texts/de.json"]);
  assert.ok(reloads > 0);
  assert.equal(language(), "de");
  assert.equal(document.documentElement.lang, "de");
  assert.equal(_("Log out"), "Abmelden");
  assert.equal(ngettext("{count} star", "{count} stars", 1), "1 Stern");
  assert.equal(ngettext("{count} star", "{count} stars", 5), "5 Sterne");
});

test("what is not translated is said in English", () => {
  assert.equal(_("Empty"), "Empty");
  assert.equal(_("Unknown"), "Unknown");
  assert.equal(ngettext("{count} clip", "{count} clips", 2), "2 clips");
});
