/**
 * The agents' protocol, version 1, as types: what travels on the websocket, and nothing else.
 *
 * docs/agent-protocol.md tells what it means; test/protocol.test.mjs holds every message of ours against
 * docs/agent-protocol.schema.json. Fields and types that we do not know are ignored, as the document asks.
 */
/** Version of the protocol that this client speaks. */
export const VERSION = 1;
/** Digits that a keypad has (RFC 4733 s.3.2, events 0 to 15). */
export const KEYS = /^[0-9*#A-D]{1,32}$/;
/** Reads a text of the engine. `null`: no message of this protocol (the engine never sends such a thing, a proxy may). */
export function readFrame(text) {
    let value;
    try {
        value = JSON.parse(text);
    }
    catch {
        return null;
    }
    if (typeof value !== "object" || value === null)
        return null;
    const frame = value;
    const whole = typeof frame.type === "string" && typeof frame.sequence === "number" && frame.version === VERSION;
    return whole ? value : null;
}
