// A small engine for the tests: the socket of docs/agent-protocol.md as an object, answered by hand.

/** Everything that was said on one socket, and the means to answer. */
export class FakeSocket {
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  said = [];
  isClosed = false;

  send(text) {
    if (this.isClosed) throw new Error("closed");
    this.said.push(JSON.parse(text));
  }
  close() {
    this.isClosed = true;
  }
  /** The engine's side. */
  opens() {
    this.onopen?.();
  }
  says(sequence, message) {
    this.onmessage?.({ data: JSON.stringify({ version: 1, sequence, ...message }) });
  }
  cuts(code = 1006) {
    this.isClosed = true;
    this.onclose?.({ code });
  }
  last(type) {
    return this.said.findLast((message) => message.type === type);
  }
}

export const WELCOME = {
  type: "welcome", session: "9f", agent: { id: 7, name: "Minh" }, campaigns: ["PL"], break_reasons: ["lunch"],
  skip_reasons: ["not_now"], outcome_set: { id: "OUT", version: 1, codes: [] }, ping_deadline_ms: 10_000, now_ms: 0,
  audio: { kind: "none", ice_servers: [] },
};

export const CALL = {
  type: "call.connected", call: "44", answered_at_ms: 5, pushed_at_ms: 6,
  campaign: { id: "PL", mode: "auto" }, customer: { cif: "1", name: "Mai", phone: "09*****412" },
};

/** A new turn of the event loop: promises settle. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));
