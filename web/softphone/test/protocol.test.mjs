// Every message of ours against docs/agent-protocol.schema.json, and every type of the document against ours.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import Ajv from "ajv/dist/2020.js";
import { Session } from "../dist/session.js";
import { after, EMPTY } from "../dist/view.js";

const schema = JSON.parse(readFileSync(new URL("../../../docs/agent-protocol.schema.json", import.meta.url), "utf8"));
const ajv = new Ajv({ strict: false, validateFormats: false });
ajv.addSchema(schema, "protocol");

/** The document's definition that lists the messages of one side. */
function side(name) {
  const found = schema.$defs[name] ?? schema.properties?.[name];
  assert.ok(found, `the document has no ${name}: ${Object.keys(schema.$defs)}`);
  return found;
}

function typesOf(name) {
  const types = new Set();
  const walk = (part) => {
    if (part?.properties?.type?.const) types.add(part.properties.type.const);
    for (const list of [part?.oneOf, part?.anyOf, part?.allOf]) for (const one of list ?? []) walk(one);
  };
  walk(side(name));
  return types;
}

const ASKS = [
  { type: "state", to: "ready" },
  { type: "state", to: "break", reason: "lunch" },
  { type: "expand", call: "44", card: "timeline" },
  { type: "hang_up", call: "44" },
  {
    type: "outcome", call: "44", code: "RPC_PTP", promise: { amount: 5, due: "2026-11-25", method: "MOMO" }, follow_up_at: 5, reason: "x",
    amount: 1, paid: { at: "2026-11-20", method: "CASH" }, schedule: [{ due: "2026-11-25", amount: 1 }], note: "n", cooperation: "PARTIAL",
  },
  { type: "dial", call: "44" },
  { type: "dial", lead: "5512" },
  { type: "skip", call: "44", reason: "not_now" },
  { type: "next", campaign: "PL" },
  { type: "next" },
  { type: "audio_offer", sdp: "v=0" },
  { type: "audio_check" },
  { type: "mute", on: true },
  { type: "hold", call: "44", on: true },
  { type: "keys", call: "44", digits: "12#" },
  { type: "record", call: "44", action: "pause" },
];

/** What the session really puts on the wire. */
function said() {
  const session = new Session({ agent: "minh", token: "secret" }, () => 1_000, () => 0);
  session.start();
  const texts = (acts) => acts.filter(({ act }) => act === "send").map(({ text }) => JSON.parse(text));
  const messages = texts(session.opened());
  session.heard(JSON.stringify({
    version: 1, sequence: 4, type: "welcome", session: "9f", agent: { id: 1, name: "M" }, campaigns: [], break_reasons: [],
    outcome_set: { id: "O", version: 1, codes: [] }, ping_deadline_ms: 0, now_ms: 0,
  }));
  for (const ask of ASKS) messages.push(...texts(session.ask(ask).acts));
  messages.push(...texts(session.painted("44")));
  session.closed(1006);
  session.due();
  return [...messages, ...texts(session.opened()), { type: "ping", sequence: 3 }];
}

test("every message that the softphone says is one of the document, field by field", () => {
  const validate = ajv.getSchema("protocol#/$defs/ClientMessage") ?? ajv.compile({ $ref: "protocol#/$defs/ClientMessage" });
  const messages = said();
  assert.ok(messages.length > ASKS.length + 3, "all of them were said");
  for (const message of messages) {
    assert.ok(validate(message), `${JSON.stringify(message)}: ${ajv.errorsText(validate.errors)}`);
  }
  // The check itself can fail.
  assert.ok(!validate({ type: "hold", call: 44 }));
});

test("every message of the document is one that the softphone can say or understand", () => {
  const ours = new Set([...ASKS.map(({ type }) => type), "hello", "painted", "ping"]);
  assert.deepEqual([...typesOf("ClientMessage")].sort(), [...ours].sort());
  const understood = readFileSync(new URL("../src/protocol.ts", import.meta.url), "utf8");
  for (const type of typesOf("ServerFrame")) assert.ok(understood.includes(`type: "${type}";`), `${type} is not in protocol.ts`);
});

test("a card of a real lead is shown as it comes", () => {
  const facts = JSON.parse(readFileSync(new URL("../../../tests/data/desk/huong.json", import.meta.url), "utf8"));
  const { name, cif, salutation, loan, risk } = facts;
  const call = {
    type: "call.connected", call: "44", answered_at_ms: 1, pushed_at_ms: 2, campaign: { id: "PL", mode: "auto" },
    customer: { cif, name, salutation, phone: "09*****412" }, loan, risk,
  };
  const validate = ajv.compile({ $ref: "protocol#/$defs/CallConnected" });
  assert.ok(validate(call), ajv.errorsText(validate.errors));
  const { card } = after(EMPTY, call, 0).call;
  assert.deepEqual([card.customer.name, card.loan.due, card.risk.flags], [name, loan.due, risk.flags]);
});
