// The softphone over a fake engine: what a page sees and what the engine is told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Softphone } from "../dist/index.js";
import { CALL, FakeSocket, WELCOME, turn } from "./engine.mjs";

/** A promise that never settles is a failure, not a wait. */
const LIMIT = { timeout: 20_000 };

async function loggedIn() {
  const sockets = [];
  const phone = new Softphone({
    url: "ws://127.0.0.1:1/agent", agent: "minh", token: "secret", levelsEveryMs: 0, random: () => 0,
    socket: (url) => {
      assert.ok(!url.includes("secret"), "the token is never part of the address");
      sockets.push(new FakeSocket());
      return sockets.at(-1);
    },
  });
  const welcome = phone.logIn();
  sockets[0].opens();
  sockets[0].says(0, WELCOME);
  await welcome;
  return { phone, sockets };
}

test("a page sees a call from ready to saved", LIMIT, async (t) => {
  const { phone, sockets: [engine] } = await loggedIn();
  t.after(() => phone.close());
  const seen = [];
  for (const name of ["state", "call", "ended", "saved"]) phone.on(name, () => seen.push(name));
  const ready = phone.ready();
  assert.deepEqual(engine.last("state"), { type: "state", to: "ready", request: 1 });
  engine.says(1, { type: "state", state: "ready", since_ms: 1, after_call: { to: "ready" } });
  await ready;
  engine.says(2, CALL);
  phone.painted();
  assert.equal(engine.last("painted").call, "44");
  const ended = phone.hangUp();
  engine.says(3, { type: "call.ended", call: "44", by: "agent", talk_ms: 5, wrap_until_ms: 9 });
  await ended;
  const saved = phone.outcome({ code: "RPC_PTP", promise: { amount: 5, due: "2026-11-25" } });
  engine.says(4, { type: "saved", request: engine.last("outcome").request, call: "44" });
  await saved;
  assert.deepEqual(seen, ["state", "call", "ended", "saved"]);
  assert.equal(phone.view.call.saved, true);
});

test("a cut socket is opened again by itself, and a refused ready tells why", LIMIT, async (t) => {
  const { phone, sockets } = await loggedIn();
  t.after(() => phone.close());
  const statuses = [];
  phone.on("status", ({ status }) => statuses.push(status));
  sockets[0].says(3, CALL);
  sockets[0].cuts();
  assert.equal(phone.view.call.call, "44", "the call stays on the screen");
  while (sockets.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  sockets[1].opens();
  assert.deepEqual(sockets[1].last("hello").resume, { session: "9f", sequence: 3 });
  sockets[1].says(3, { type: "resumed", session: "9f", follows: "missed", messages: 0, now_ms: 0 });
  assert.deepEqual(statuses, ["reconnecting", "online"]);
  const ready = phone.ready();
  sockets[1].says(3, { type: "error", request: 1, code: "audio_needed", message: "Check your headset first." });
  await assert.rejects(ready, { code: "audio_needed", message: "Check your headset first." });
});

test("a refused log-in rejects, and is not tried again", LIMIT, async () => {
  const sockets = [];
  const phone = new Softphone({
    url: "ws://127.0.0.1:1/agent", agent: "minh", token: "wrong", socket: () => (sockets.push(new FakeSocket()), sockets.at(-1)),
  });
  const welcome = phone.logIn();
  sockets[0].opens();
  sockets[0].says(0, { type: "error", code: "login_refused", message: "no" });
  sockets[0].says(0, { type: "closing", reason: "login_refused" });
  sockets[0].cuts(4001);
  await assert.rejects(welcome, { code: "login_refused" });
  assert.deepEqual([phone.status, sockets.length], ["closed", 1]);
});

test("without a call nothing about a call can be asked, and only keys of a keypad are pressed", LIMIT, async (t) => {
  const { phone, sockets: [engine] } = await loggedIn();
  t.after(() => phone.close());
  await assert.rejects(phone.hangUp(), { code: "no_call" });
  engine.says(2, CALL);
  await assert.rejects(phone.keys("1 2"), { code: "bad_keys" });
  await phone.keys("12#");
  assert.deepEqual(engine.last("keys"), { type: "keys", call: "44", digits: "12#", request: 1 });
});

test("one listener's mistake does not keep the news from the next one", LIMIT, async (t) => {
  const { phone, sockets: [engine] } = await loggedIn();
  t.after(() => phone.close());
  const told = [];
  const before = globalThis.reportError;
  globalThis.reportError = (fault) => told.push(fault.message);
  t.after(() => (globalThis.reportError = before));
  let heard = 0;
  phone.on("call", () => {
    throw new Error("the page is broken");
  });
  phone.on("call", () => (heard += 1));
  engine.says(2, CALL);
  assert.deepEqual([heard, told], [1, ["the page is broken"]]);
});

test("an agent without audio of his own needs none, and closing rejects what waits", LIMIT, async () => {
  const { phone } = await loggedIn();
  assert.deepEqual([phone.audio.kind, phone.audio.peer], ["none", "none"]);
  const ready = phone.ready();
  phone.close();
  await assert.rejects(ready, { code: "closed" });
  await turn();
  assert.equal(phone.status, "closed");
});
