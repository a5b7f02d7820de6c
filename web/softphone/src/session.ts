/**
 * The socket's session: log-in, numbers, what was answered, coming back after a cut. Pure: told the time and chance, and
 * what happened to the socket; says what to do. Opens nothing.
 */

import { SoftphoneError } from "./fault.js";
import {
  VERSION,
  readFrame,
  type Ask,
  type CallId,
  type Closing,
  type ServerFrame,
  type ServerMessage,
  type Tell,
} from "./protocol.js";

/** Longest silence of a socket that is being opened, in milliseconds. */
export const OPEN_WAIT_MS = 10_000;
/** Longest wait for an answer while the socket is there, in milliseconds. An outcome waits as long as it takes. */
export const ANSWER_WAIT_MS = 15_000;
/** Longest wait between two tries, in milliseconds (docs/agent-protocol.md, "Closing"). */
export const RETRY_MAX_MS = 10_000;
/** Requests that may wait for their answer. */
export const PENDING_MAX = 64;

/** Close codes after which coming back would be wrong: logged out, refused, taken over by another desk. */
const FINAL_CODES = new Map<number, Closing["reason"]>([
  [1000, "logged_out"],
  [4001, "login_refused"],
  [4003, "taken_over"],
]);

/** How the socket is. */
export type Status = "idle" | "connecting" | "online" | "reconnecting" | "closed";

/** What the session wants done. */
export type Act =
  /** Open a socket; report `opened`, `heard`, `closed`. */
  | { act: "open" }
  /** Send this on the open socket. */
  | { act: "send"; text: string }
  /** Drop the socket and report `closed`: nothing is heard on it any more. */
  | { act: "drop" }
  /** Call `due` after this time. */
  | { act: "wait"; ms: number }
  /** The status changed. */
  | { act: "status"; status: Status; reason?: string }
  /** The engine said this. */
  | { act: "message"; message: ServerMessage }
  /** A request was met. */
  | { act: "met"; request: number; by: ServerMessage | null }
  /** A request was refused, or came to nothing. */
  | { act: "refused"; request: number; fault: SoftphoneError };

interface Pending {
  ask: Ask;
  text: string;
  /** When it was sent on this socket; `null`: not yet. */
  sentAt: number | null;
  /** It left on some socket: an answer may be on its way, or among what was missed. */
  left: boolean;
  /** The echo check was seen running. */
  began?: boolean;
}

/** The wait before the `attempt`-th return (from 0), by `chance` in 0..1: 0.2 to 1 s, doubled each time, at most 10 s. */
export function retryWait(attempt: number, chance: number): number {
  return Math.min(RETRY_MAX_MS, (200 + 800 * chance) * 2 ** Math.min(attempt, 10));
}

/** One agent's session over any number of sockets. */
export class Session {
  #status: Status = "idle";
  #session: string | null = null;
  #sequence = 0;
  #request = 0;
  #attempt = 0;
  #pending = new Map<number, Pending>();
  #closing: Closing["reason"] | null = null;
  #openedAt = 0;
  #heardAt = 0;
  #pingedAt = 0;
  #deadline = 10_000;
  /** Messages still to come of a `resumed`, before our own requests go out again. */
  #toCatchUp = 0;

  constructor(
    private readonly who: { agent: string; token: string },
    private readonly now: () => number,
    private readonly chance: () => number,
  ) {}

  /** How the socket is. */
  get status(): Status {
    return this.#status;
  }

  /** Number of the last message that was handled. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Requests that wait for an answer, oldest first. */
  waiting(): { request: number; ask: Ask }[] {
    return [...this.#pending].map(([request, { ask }]) => ({ request, ask }));
  }

  /** Logs in. */
  start(): Act[] {
    if (this.#status !== "idle" && this.#status !== "closed") return [];
    this.#session = null;
    this.#sequence = 0;
    return [...this.#become("connecting"), ...this.#open()];
  }

  /** The wait is over. */
  due(): Act[] {
    return this.#status === "reconnecting" ? this.#open() : [];
  }

  /** The network came back: do not wait any longer. */
  hurry(): Act[] {
    this.#attempt = 0;
    return this.due();
  }

  /** The socket is open. */
  opened(): Act[] {
    this.#heardAt = this.now();
    const hello: Tell = { type: "hello", version: VERSION, agent: this.who.agent, token: this.who.token };
    if (this.#session !== null) hello.resume = { session: this.#session, sequence: this.#sequence };
    // The token travels in the first message, never in the URL: URLs end up in logs.
    return [{ act: "send", text: JSON.stringify(hello) }];
  }

  /** A text came. */
  heard(text: string): Act[] {
    this.#heardAt = this.now();
    const frame = readFrame(text);
    if (frame === null) return [];
    const acts = this.#take(frame);
    // Last: what is not handled yet must be sent again after a cut.
    this.#sequence = Math.max(this.#sequence, frame.sequence);
    if (frame.type === "welcome") this.#sequence = frame.sequence;
    return acts;
  }

  /** The socket is closed, by whomever. */
  closed(code: number): Act[] {
    for (const pending of this.#pending.values()) pending.sentAt = null;
    if (this.#status === "closed" || this.#status === "idle") return [];
    const said = this.#closing;
    this.#closing = null;
    const final = FINAL_CODES.get(code);
    // 1000 is also what a proxy says when it is restarted: only with the engine's own word is it a log-out.
    if (final !== undefined && (code !== 1000 || said === "logged_out")) return this.#end(said ?? final);
    const wait = said === "too_slow" ? 0 : retryWait(said === "stopping" ? this.#attempt + 1 : this.#attempt, this.chance());
    this.#attempt += 1;
    return [...this.#become("reconnecting", said ?? undefined), { act: "wait", ms: said === "busy" ? Math.max(1_000, wait) : wait }];
  }

  /** Looks at the clock. Call it about every second. */
  tick(): Act[] {
    const now = this.now();
    if (this.#openedAt > 0 && this.#status !== "online" && now - this.#openedAt > OPEN_WAIT_MS) {
      this.#openedAt = 0;
      return [{ act: "drop" }];
    }
    if (this.#status !== "online") return [];
    // Websocket pings are answered by the browser without our knowledge: only pings of our own tell that the way is dead. Judged by
    // a ping without an answer, not by silence: the timers of a hidden page may stand still for a minute.
    const acts: Act[] = [];
    if (this.#pingedAt > this.#heardAt) {
      if (now - this.#pingedAt > (this.#deadline * 2) / 3) return [{ act: "drop" }];
    } else if (now - this.#heardAt > this.#deadline / 3) {
      this.#pingedAt = now;
      acts.push({ act: "send", text: JSON.stringify({ type: "ping", sequence: this.#sequence } satisfies Tell) });
    }
    for (const [request, pending] of this.#pending) {
      if (pending.ask.type === "outcome" || pending.sentAt === null) continue;
      if (now - pending.sentAt > ANSWER_WAIT_MS) {
        acts.push(...this.#refuse(request, new SoftphoneError("no_answer", "The engine did not answer in time.")));
      }
    }
    return acts;
  }

  /** Asks for something. It gets a number, is sent now or once the engine is back, and ends in `met` or `refused`. */
  ask(ask: Ask): { request: number; acts: Act[] } {
    const request = ++this.#request;
    if (this.#status === "closed" || this.#status === "idle") {
      return { request, acts: [{ act: "refused", request, fault: new SoftphoneError("closed", "Not logged in.") }] };
    }
    if (this.#pending.size >= PENDING_MAX) {
      return { request, acts: [{ act: "refused", request, fault: new SoftphoneError("busy", "Too many requests wait.") }] };
    }
    const text = JSON.stringify({ ...ask, request });
    const pending: Pending = { ask, text, sentAt: null, left: false };
    this.#pending.set(request, pending);
    const acts: Act[] = [];
    if (this.#status === "online" && this.#toCatchUp === 0) acts.push(...this.#say(pending));
    else if (!keeps(ask)) {
      acts.push(...this.#refuse(request, new SoftphoneError("no_answer", "The engine cannot be reached now.")));
    }
    // Nothing answers keys: what left is met.
    if (ask.type === "keys" && pending.sentAt !== null) acts.push(...this.#meet(request, null));
    return { request, acts };
  }

  /** The card of this call is on the screen. Lost with the socket: then the engine paints it anew. */
  painted(call: CallId): Act[] {
    if (this.#status !== "online") return [];
    return [{ act: "send", text: JSON.stringify({ type: "painted", call, painted_at_ms: this.now() } satisfies Tell) }];
  }

  /** Ends for good: nothing is sent any more. */
  stop(): Act[] {
    return [...this.#end("logged_out"), { act: "drop" }];
  }

  #open(): Act[] {
    this.#openedAt = this.now();
    return [{ act: "open" }];
  }

  #become(status: Status, reason?: string): Act[] {
    if (this.#status === status) return [];
    this.#status = status;
    return [reason === undefined ? { act: "status", status } : { act: "status", status, reason }];
  }

  #end(reason: string): Act[] {
    const acts = this.#become("closed", reason);
    for (const request of [...this.#pending.keys()]) {
      acts.push(...this.#refuse(request, new SoftphoneError("closed", `The session is over (${reason}).`)));
    }
    this.#session = null;
    return acts;
  }

  #take(frame: ServerFrame): Act[] {
    const acts: Act[] = [];
    switch (frame.type) {
      case "welcome": {
        this.#session = frame.session;
        this.#deadline = frame.ping_deadline_ms;
        this.#online(acts);
        acts.push({ act: "message", message: frame });
        // What was asked in the earlier session is unknown to this one. An outcome is not: it is about a call, and kept once.
        for (const [request, { ask }] of [...this.#pending]) {
          if (ask.type !== "outcome") {
            acts.push(...this.#refuse(request, new SoftphoneError("session_lost", "A new session has begun; ask again.")));
          }
        }
        acts.push(...this.#sayAgain());
        return acts;
      }
      case "resumed":
        this.#session = frame.session;
        this.#online(acts);
        this.#toCatchUp = frame.messages;
        acts.push({ act: "message", message: frame });
        if (this.#toCatchUp === 0) acts.push(...this.#sayAgain());
        return acts;
      case "closing":
        this.#closing = frame.reason;
        break;
      case "pong":
        break;
      default:
        break;
    }
    acts.push({ act: "message", message: frame }, ...this.#settle(frame));
    if (this.#toCatchUp > 0 && frame.type !== "closing" && frame.type !== "pong") {
      this.#toCatchUp -= 1;
      // Only what the missed messages did not answer is asked again.
      if (this.#toCatchUp === 0) acts.push(...this.#sayAgain());
    }
    return acts;
  }

  #online(acts: Act[]): void {
    this.#attempt = 0;
    this.#openedAt = 0;
    this.#toCatchUp = 0;
    this.#pingedAt = 0;
    acts.push(...this.#become("online"));
  }

  #say(pending: Pending): Act[] {
    pending.sentAt = this.now();
    pending.left = true;
    return [{ act: "send", text: pending.text }];
  }

  #sayAgain(): Act[] {
    const acts: Act[] = [];
    for (const [request, pending] of [...this.#pending]) {
      if (pending.sentAt !== null) continue;
      if (keeps(pending.ask)) acts.push(...this.#say(pending));
      else acts.push(...this.#refuse(request, new SoftphoneError("no_answer", "The connection was lost before the answer.")));
    }
    return acts;
  }

  #meet(request: number, by: ServerMessage | null): Act[] {
    return this.#pending.delete(request) ? [{ act: "met", request, by }] : [];
  }

  #refuse(request: number, fault: SoftphoneError): Act[] {
    return this.#pending.delete(request) ? [{ act: "refused", request, fault }] : [];
  }

  /** Which requests a message answers. */
  #settle(message: ServerMessage): Act[] {
    const acts: Act[] = [];
    if (message.type === "error") {
      const request = message.request;
      const asked = request ? this.#pending.get(request)?.ask : undefined;
      if (!request || !asked) return [];
      // The outcome that was sent again is there: that is what we wanted.
      if (message.code === "outcome_already_saved") return this.#meet(request, message);
      const fault = SoftphoneError.of(message);
      for (const [other, { ask }] of [...this.#pending]) {
        // The floor does not number wishes for a state and hang-ups: it cites the latest of them.
        const together = (ask.type === "state" || ask.type === "hang_up") && ask.type === asked.type && other < request;
        if (together) acts.push(...this.#refuse(other, fault));
      }
      return [...acts, ...this.#refuse(request, fault)];
    }
    for (const [request, pending] of [...this.#pending]) {
      const verdict = !pending.left ? "waits" : answers(message, request, pending);
      if (verdict === "met") acts.push(...this.#meet(request, message));
      if (verdict === "failed") {
        acts.push(...this.#refuse(request, new SoftphoneError("not_heard", "The microphone was not heard.")));
      }
    }
    return acts;
  }
}

/** Whether a request that was not answered is sent again after a cut: keys pressed a minute ago would be wrong keys now. */
function keeps(ask: Ask): boolean {
  return ask.type !== "keys" && ask.type !== "audio_check";
}

function answers(message: ServerMessage, request: number, pending: Pending): "met" | "failed" | "waits" {
  const { ask } = pending;
  const is = (yes: boolean) => (yes ? "met" : "waits");
  switch (message.type) {
    case "saved":
    case "card":
    case "audio_answer":
      return is(message.request === request);
    case "state": {
      if (ask.type !== "state") return "waits";
      const later = ["ready", "reserved", "talking", "wrap"].includes(message.state);
      return is(message.state === ask.to || (later && message.after_call.to === ask.to));
    }
    case "call.ended":
      return is(ask.type === "hang_up" && ask.call === message.call);
    case "call.over":
      return is((ask.type === "skip" || ask.type === "dial" || ask.type === "hang_up") && ask.call === message.call);
    case "call.progress":
    case "call.connected":
      return is(ask.type === "dial");
    case "call.preview":
      return is(ask.type === "next");
    case "closing":
      return is(ask.type === "state" && ask.to === "offline" && message.reason === "logged_out");
    case "audio":
      switch (ask.type) {
        case "mute":
          return is(message.muted === ask.on);
        case "hold":
          return is(message.held === ask.on);
        case "record":
          return is(message.recording === (ask.action === "pause" ? "paused" : "on"));
        case "audio_check":
          if (message.checking) pending.began = true;
          else if (message.checked) return "met";
          else if (pending.began) return "failed";
          return "waits";
        default:
          return "waits";
      }
    default:
      return "waits";
  }
}
