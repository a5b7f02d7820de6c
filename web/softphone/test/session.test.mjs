// The session alone: numbers, answers, coming back. Time and chance are handed in.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ANSWER_WAIT_MS, OPEN_WAIT_MS, PENDING_MAX, RETRY_MAX_MS, Session, retryWait } from "../dist/session.js";

const WELCOME = {
  type: "welcome", session: "9f", agent: { id: 7, name: "Minh" }, campaigns: ["PL"], break_reasons: ["lunch"],
  outcome_set: { id: "OUT", version: 1, codes: [] }, ping_deadline_ms: 10_000, now_ms: 0,
};

/** A session with a clock of its own, logged in. */
function online() {
  const clock = { ms: 1_000 };
  const session = new Session({ agent: "minh", token: "secret" }, () => clock.ms, () => 0.5);
  session.start();
  session.opened();
  const hear = (sequence, message) => session.heard(JSON.stringify({ version: 1, sequence, ...message }));
  hear(0, WELCOME);
  return { session, clock, hear };
}

const sent = (acts) => acts.filter(({ act }) => act === "send").map(({ text }) => JSON.parse(text));
const kinds = (acts) => acts.map(({ act }) => act);
const STATE = (state, after = "ready") => ({ type: "state", state, since_ms: 1, after_call: { to: after } });

test("the token is in the first message, and nothing is said before the socket is open", () => {
  const session = new Session({ agent: "minh", token: "secret" }, () => 0, () => 0);
  assert.deepEqual(kinds(session.start()), ["status", "open"]);
  assert.deepEqual(sent(session.opened()), [{ type: "hello", version: 1, agent: "minh", token: "secret" }]);
});

test("after a cut it resumes with the number of the last message that was handled", () => {
  const { session, hear } = online();
  hear(4, STATE("break"));
  hear(9, STATE("ready"));
  const acts = session.closed(1006);
  assert.deepEqual(kinds(acts), ["status", "wait"]);
  assert.equal(acts[1].ms, 600);
  assert.deepEqual(kinds(session.due()), ["open"]);
  assert.deepEqual(sent(session.opened())[0].resume, { session: "9f", sequence: 9 });
});

test("a request without an answer is sent again with the same number, after what was missed, and an outcome only once more", () => {
  const { session, hear } = online();
  const { request, acts } = session.ask({ type: "outcome", call: "44", code: "RPC_PTP" });
  assert.equal(sent(acts)[0].request, request);
  session.closed(1006);
  session.due();
  session.opened();
  assert.deepEqual(sent(hear(5, { type: "resumed", session: "9f", follows: "missed", messages: 1, now_ms: 0 })), []);
  assert.deepEqual(sent(hear(6, STATE("wrap"))), [{ type: "outcome", call: "44", code: "RPC_PTP", request }]);
  assert.deepEqual(hear(7, { type: "saved", request, call: "44" }).map(({ act }) => act), ["message", "met"]);
  assert.deepEqual(session.waiting(), []);
});

test("what the missed messages answer is not asked again", () => {
  const { session, hear } = online();
  const { request } = session.ask({ type: "outcome", call: "44", code: "BP" });
  session.closed(1006);
  session.due();
  session.opened();
  // It left on the old socket, so its answer may be among what was missed.
  hear(5, { type: "resumed", session: "9f", follows: "missed", messages: 1, now_ms: 0 });
  const acts = hear(6, { type: "saved", request, call: "44" });
  assert.deepEqual(sent(acts), []);
  assert.equal(acts.filter(({ act, request: of }) => act === "met" && of === request).length, 1);
});

test("an outcome that is there already counts as saved", () => {
  const { session, hear } = online();
  const { request } = session.ask({ type: "outcome", call: "44", code: "BP" });
  const acts = hear(1, { type: "error", request, code: "outcome_already_saved", message: "there" });
  assert.ok(acts.some(({ act, request: of }) => act === "met" && of === request));
});

test("keys and the echo check are never sent late", () => {
  const { session, hear } = online();
  session.closed(1006);
  const keys = session.ask({ type: "keys", call: "44", digits: "1" });
  assert.equal(keys.acts[0].fault.code, "no_answer");
  const hold = session.ask({ type: "hold", call: "44", on: true });
  assert.deepEqual(hold.acts, []);
  session.due();
  session.opened();
  const again = sent(hear(5, { type: "resumed", session: "9f", follows: "missed", messages: 0, now_ms: 0 }));
  assert.deepEqual(again.map(({ type }) => type), ["hold"]);
});

test("a new session refuses what was asked in the old one, but keeps outcomes", () => {
  const { session, hear } = online();
  const wish = session.ask({ type: "state", to: "ready" }).request;
  const outcome = session.ask({ type: "outcome", call: "44", code: "BP" }).request;
  session.closed(1006);
  session.due();
  session.opened();
  const acts = hear(0, { ...WELCOME, session: "aa" });
  assert.equal(acts.find(({ act, request }) => act === "refused" && request === wish).fault.code, "session_lost");
  assert.deepEqual(sent(acts).map(({ request }) => request), [outcome]);
});

test("a wish for a state is met by that state, or by what comes after the call, and refused with the engine's reason", () => {
  const { session, hear } = online();
  const ready = session.ask({ type: "state", to: "ready" }).request;
  assert.ok(!hear(1, STATE("break")).some(({ act }) => act === "met"), "a break that has 'ready' after calls is not ready");
  assert.ok(hear(2, STATE("ready")).some(({ act, request }) => act === "met" && request === ready));
  const pause = session.ask({ type: "state", to: "break", reason: "lunch" }).request;
  assert.ok(hear(3, STATE("talking", "break")).some(({ act, request }) => act === "met" && request === pause));
  const early = session.ask({ type: "state", to: "ready" }).request;
  const late = session.ask({ type: "state", to: "ready" }).request;
  const refused = hear(3, { type: "error", request: late, code: "audio_needed", message: "check first" });
  assert.deepEqual(refused.filter(({ act }) => act === "refused").map(({ request }) => request).sort(), [early, late]);
  assert.equal(refused.find(({ act }) => act === "refused").fault.code, "audio_needed");
});

test("mute, hold, recording and the echo check are met by what the engine then says of the audio", () => {
  const { session, hear } = online();
  const audio = (more) => ({ type: "audio", leg: "up", checked: false, checking: false, muted: false, held: false, recording: "off", ...more });
  const met = (acts) => acts.filter(({ act }) => act === "met").map(({ request }) => request);
  const mute = session.ask({ type: "mute", on: true }).request;
  assert.deepEqual(met(hear(1, audio({}))), []);
  assert.deepEqual(met(hear(2, audio({ muted: true }))), [mute]);
  const pause = session.ask({ type: "record", call: "1", action: "pause" }).request;
  assert.deepEqual(met(hear(3, audio({ recording: "paused" }))), [pause]);
  const check = session.ask({ type: "audio_check" }).request;
  assert.deepEqual(met(hear(4, audio({ checking: true }))), []);
  assert.deepEqual(met(hear(5, audio({ checked: true }))), [check]);
  const deaf = session.ask({ type: "audio_check" }).request;
  hear(6, audio({ checking: true }));
  const failed = hear(7, audio({}));
  assert.equal(failed.find(({ act, request }) => act === "refused" && request === deaf).fault.code, "not_heard");
});

test("it does not come back after a log-out, a refused token or another desk, and comes back after everything else", () => {
  for (const [code, reason, back] of [
    [1000, "logged_out", false], [4001, "login_refused", false], [4003, "taken_over", false],
    [1000, null, true], [1001, "stopping", true], [1006, null, true], [1008, "protocol_broken", true], [1013, "busy", true],
    [4004, "too_slow", true],
  ]) {
    const { session, hear } = online();
    if (reason) hear(1, { type: "closing", reason });
    const acts = session.closed(code);
    assert.equal(acts.some(({ act }) => act === "wait"), back, `${code} ${reason}`);
    assert.equal(session.status, back ? "reconnecting" : "closed");
    if (reason === "too_slow") assert.equal(acts.find(({ act }) => act === "wait").ms, 0);
    if (reason === "busy") assert.ok(acts.find(({ act }) => act === "wait").ms >= 1_000);
  }
});

test("waits grow from under a second to ten, and are spread", () => {
  assert.deepEqual([0, 1, 2].map((n) => retryWait(n, 0)), [200, 400, 800]);
  assert.deepEqual([0, 1, 2].map((n) => retryWait(n, 1)), [1_000, 2_000, 4_000]);
  assert.equal(retryWait(50, 1), RETRY_MAX_MS);
});

test("a dead way is found by our own pings, and a socket that never opens is dropped", () => {
  const { session, clock } = online();
  clock.ms += 4_000;
  assert.deepEqual(sent(session.tick()), [{ type: "ping", sequence: 0 }]);
  clock.ms += 6_000;
  assert.deepEqual(session.tick(), []);
  clock.ms += 1_000;
  assert.deepEqual(kinds(session.tick()), ["drop"]);
  session.closed(1006);
  session.due();
  clock.ms += OPEN_WAIT_MS + 1;
  assert.deepEqual(kinds(session.tick()), ["drop"]);
});

test("a page that slept asks before it believes that the way is dead", () => {
  const { session, clock, hear } = online();
  for (let minute = 0; minute < 3; minute++) {
    clock.ms += 60_000;
    assert.deepEqual(kinds(session.tick()), ["send"]);
    clock.ms += 20;
    hear(0, { type: "pong", now_ms: 5 });
  }
  assert.equal(session.status, "online");
});

test("a request that nobody answers is given up, an outcome never", () => {
  const { session, clock, hear } = online();
  const card = session.ask({ type: "expand", call: "1", card: "loans" }).request;
  session.ask({ type: "outcome", call: "1", code: "BP" });
  clock.ms += ANSWER_WAIT_MS + 1;
  hear(1, { type: "pong", now_ms: 5 });
  const given = session.tick().filter(({ act }) => act === "refused");
  assert.deepEqual(given.map(({ request }) => request), [card]);
  assert.deepEqual(session.waiting().map(({ ask }) => ask.type), ["outcome"]);
});

test("no more requests wait than the bound allows", () => {
  const { session } = online();
  for (let n = 0; n < PENDING_MAX; n++) session.ask({ type: "outcome", call: "1", code: "BP" });
  assert.equal(session.ask({ type: "outcome", call: "1", code: "BP" }).acts[0].fault.code, "busy");
});

test("what is not of this protocol is passed over", () => {
  const { session } = online();
  for (const text of ["", "{", "7", "null", '{"type":"state"}', '{"version":2,"sequence":1,"type":"state"}']) {
    assert.deepEqual(session.heard(text), [], text);
  }
  assert.equal(session.sequence, 0);
});
