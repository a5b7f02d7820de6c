// Money, times and amounts of the desk: pure parts on tables.
import assert from "node:assert/strict";
import { test } from "node:test";
import { amountOf, bars, clock, day, grouped, money, unixOf } from "../dist/format.js";
import { codeName, words } from "../dist/words.js";

test("amounts are shown as people write them and read back as they type them", () => {
  assert.equal(money(4_860_000, "VND", "vi").replace(/\s/g, " "), "4.860.000 ₫");
  assert.equal(money(undefined, "VND", "vi"), "");
  assert.match(money(5, "no currency", "vi"), /^5 no currency$/);
  for (const [text, amount] of [
    ["3.230.000", 3_230_000], ["3 230 000 đ", 3_230_000], ["3,230,000", 3_230_000], ["0", 0],
    ["", null], ["3tr", null], ["-5", null], ["99999999999999", null],
  ]) {
    assert.equal(amountOf(text), amount, text);
  }
  assert.equal(amountOf(grouped(3_230_000, "vi")), 3_230_000);
});

test("clocks run in minutes, in hours from the first one on, and never below zero", () => {
  assert.deepEqual([0, 61_500, 3_605_000, -5].map(clock), ["0:00", "1:01", "1:00:05", "0:00"]);
});

test("days are those of the file, whatever the zone of the desk", () => {
  assert.equal(day("2026-11-18", "vi"), "18/11/2026");
  assert.deepEqual([day("yesterday", "vi"), day(null, "vi")], ["yesterday", ""]);
});

test("a time of an input field is local, and half a time is none", () => {
  assert.equal(unixOf("2026-11-25T09:30"), new Date(2026, 10, 25, 9, 30).getTime());
  assert.equal(unixOf("09:30"), null);
});

test("buckets have as many bars as their number", () => {
  assert.deepEqual(["B0", "B2", "B6", "B7", "", undefined].map(bars), [0, 2, 6, 0, 0, 0]);
});

test("both languages have a word for every code of the engine, and a code of the site's own stays as it is", () => {
  assert.notEqual(codeName("RPC_PTP", "vi"), codeName("RPC_PTP", "en"));
  assert.equal(codeName("OWN_CODE", "vi"), "OWN_CODE");
  assert.deepEqual(Object.keys(words("vi")).sort(), Object.keys(words("en")).sort());
});
