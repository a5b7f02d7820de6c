// View, care of the leg, figures, levels: pure parts on tables.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CONNECT_MS, DISCONNECTED_MS, RESTARTS_MAX, RESTART_WAIT_MS, UNHEARD_MS, care } from "../dist/care.js";
import { FLOOR_DB, levelDb, share } from "../dist/levels.js";
import { figures } from "../dist/stats.js";
import { EMPTY, after } from "../dist/view.js";

const STATE = (state, call = null) => ({ type: "state", state, since_ms: 1, call, after_call: { to: "ready" } });
const CALL = {
  type: "call.connected", call: "44", answered_at_ms: 5, pushed_at_ms: 6, complete: false,
  campaign: { id: "PL", mode: "auto" }, customer: { cif: "1", name: "Mai", phone: "09*****412" },
};

test("a call comes, its late card fills it, it ends, is saved, and leaves the screen with the next state", () => {
  let view = [STATE("ready"), STATE("reserved", "44"), CALL, STATE("talking", "44")].reduce((seen, news) => after(seen, news, 0), EMPTY);
  assert.equal(view.call.card.customer.name, "Mai");
  view = after(view, { type: "card", call: "44", card: "customer", body: { loan: { due: 5 } } }, 0);
  assert.deepEqual([view.call.card.loan.due, view.call.card.complete, view.call.card.customer.name], [5, true, "Mai"]);
  view = after(view, { type: "card", request: 3, call: "44", card: "loans", body: [1] }, 0);
  assert.deepEqual(view.call.cards.loans, [1]);
  view = after(view, { type: "card", request: 3, call: "45", card: "loans", body: [2] }, 0);
  assert.deepEqual(view.call.cards.loans, [1], "another call's card is not this one's");
  view = after(view, { type: "call.ended", call: "44", by: "customer", talk_ms: 9, wrap_until_ms: 50 }, 0);
  view = after(view, { type: "saved", request: 1, call: "44" }, 0);
  assert.deepEqual([view.call.ended.by, view.call.saved], ["customer", true]);
  assert.equal(after(view, STATE("wrap", "44"), 0).call.saved, true);
  assert.equal(after(view, STATE("ready"), 0).call, null);
});

test("missed messages keep the screen, a snapshot clears it, and both set the clock", () => {
  const view = [STATE("talking", "44"), CALL].reduce((seen, news) => after(seen, news, 0), EMPTY);
  const resumed = { type: "resumed", session: "9f", messages: 2, now_ms: 1_500 };
  const missed = after(view, { ...resumed, follows: "missed" }, 1_000);
  assert.deepEqual([missed.call.call, missed.clockOffsetMs], ["44", 500]);
  const snapshot = after(view, { ...resumed, follows: "snapshot" }, 1_000);
  assert.deepEqual([snapshot.call, snapshot.state, snapshot.clockOffsetMs], [null, null, 500]);
});

test("a preview becomes a call, or nothing", () => {
  const preview = { ...CALL, type: "call.preview", lead: "5", until_ms: 9, on_timeout: "skip" };
  const seen = after(after(EMPTY, preview, 0), { type: "call.progress", call: "44", stage: "ringing" }, 0);
  assert.equal(seen.progress.stage, "ringing");
  assert.deepEqual([after(seen, CALL, 0).preview, after(seen, CALL, 0).progress], [null, null]);
  const over = after(seen, { type: "call.over", call: "44", why: "not_connected", result: "BUSY" }, 0);
  assert.deepEqual([over.preview, over.progress], [null, null]);
});

test("an older engine's new messages change nothing", () => {
  assert.equal(after(EMPTY, { type: "weather", fine: true }, 0), EMPTY);
});

const WELL = {
  peer: "connected", forMs: 60_000, restarts: 0, sinceRestartMs: Infinity, online: true, engine: "up", networkChanged: false,
};

test("a leg that works is left alone, whatever happens to the socket", () => {
  assert.equal(care(WELL), "nothing");
  for (const peer of ["failed", "disconnected", "closed"]) assert.equal(care({ ...WELL, peer, online: false }), "nothing", peer);
});

test("a cut leg is restarted after a moment, again after a while, and built anew when that does not help", () => {
  const cut = { ...WELL, peer: "disconnected", forMs: DISCONNECTED_MS };
  assert.equal(care({ ...cut, forMs: DISCONNECTED_MS - 1 }), "nothing");
  assert.equal(care(cut), "restart");
  assert.equal(care({ ...cut, restarts: 1, sinceRestartMs: RESTART_WAIT_MS - 1 }), "nothing");
  assert.equal(care({ ...cut, restarts: 1, sinceRestartMs: RESTART_WAIT_MS }), "restart");
  assert.equal(care({ ...cut, peer: "failed", forMs: 0 }), "restart");
  assert.equal(care({ ...cut, peer: "failed", restarts: RESTARTS_MAX }), "rebuild");
  assert.equal(care({ ...cut, peer: "closed" }), "rebuild");
});

test("another network moves the leg even while it seems to work, and one that never connects is built anew", () => {
  assert.equal(care({ ...WELL, networkChanged: true }), "restart");
  assert.equal(care({ ...WELL, peer: "connecting", forMs: CONNECT_MS - 1, sinceRestartMs: CONNECT_MS }), "nothing");
  assert.equal(care({ ...WELL, peer: "connecting", forMs: CONNECT_MS, sinceRestartMs: CONNECT_MS }), "rebuild");
});

test("an engine that lost or forgot the leg is heard", () => {
  assert.equal(care({ ...WELL, engine: "lost", forMs: UNHEARD_MS }), "restart");
  assert.equal(care({ ...WELL, engine: "none", forMs: UNHEARD_MS }), "rebuild");
  assert.equal(care({ ...WELL, engine: "none", forMs: UNHEARD_MS - 1 }), "nothing");
});

test("figures name codec, sources and loss, and rates are those since the last look", () => {
  const report = (received, lost, samples, concealed) => new Map([
    ["C", { type: "codec", mimeType: "audio/PCMA" }],
    ["I", { type: "inbound-rtp", kind: "audio", codecId: "C", ssrc: 7, packetsReceived: received, packetsLost: lost, jitter: 0.004, totalSamplesReceived: samples, concealedSamples: concealed }],
    ["O", { type: "outbound-rtp", kind: "audio", ssrc: 9, packetsSent: 12 }],
    ["P", { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.012 }],
    ["V", { type: "inbound-rtp", kind: "video", packetsReceived: 1e6 }],
  ]);
  const first = figures(report(90, 10, 1_000, 100));
  assert.deepEqual([first.codec, first.ssrcIn, first.ssrcOut, first.roundTripMs, first.jitterMs], ["PCMA", 7, 9, 12, 4]);
  assert.deepEqual([first.lostRatio, first.concealedRatio], [0.1, 0.1]);
  const second = figures(report(190, 10, 2_000, 600), first);
  assert.deepEqual([second.lostRatio, second.concealedRatio, second.packetsReceived], [0, 0.5, 190]);
  assert.equal(figures(new Map()).roundTripMs, null);
});

test("levels are in dBFS: a full-scale sine is -3, silence the floor", () => {
  const sine = (level) => Float32Array.from({ length: 4_800 }, (_, n) => level * Math.sin((2 * Math.PI * 100 * n) / 48_000));
  assert.ok(Math.abs(levelDb(sine(1)) + 3.01) < 0.01);
  assert.ok(Math.abs(levelDb(sine(0.1)) + 23.01) < 0.01);
  assert.deepEqual([levelDb(new Float32Array(10)), levelDb([])], [FLOOR_DB, FLOOR_DB]);
  assert.deepEqual([share(0), share(FLOOR_DB), share(-30), share(9)], [1, 0, 0.5, 1]);
});
