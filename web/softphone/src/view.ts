/** What holds now, gathered from the engine's messages. Pure: a message and the old view give the new one. */

import type {
  AudioNews,
  CallConnected,
  CallEnded,
  CallId,
  CallPreview,
  CallProgress,
  CardBody,
  CardName,
  ServerMessage,
  StateNews,
  Welcome,
} from "./protocol.js";

/** The call on the agent's line, or in wrap-up. */
export interface CallView {
  readonly call: CallId;
  /** When the person answered, by the engine's clock. */
  readonly answeredAtMs: number;
  /** The first card. */
  readonly card: CardBody;
  /** Cards that were asked for. */
  readonly cards: Readonly<Partial<Record<CardName, unknown>>>;
  /** How it ended; `null`: it goes on. */
  readonly ended: CallEnded | null;
  /** The outcome is durable. */
  readonly saved: boolean;
}

/** Everything that holds now. */
export interface View {
  /** Who is logged in, and what he may choose from. */
  readonly welcome: Welcome | null;
  readonly state: StateNews | null;
  readonly call: CallView | null;
  /** A lead before it is dialled. */
  readonly preview: CallPreview | null;
  /** How far the call is that is made for this agent. */
  readonly progress: CallProgress | null;
  /** Audio as the engine sees it. */
  readonly audio: AudioNews | null;
  /** The engine's clock minus ours, in milliseconds. */
  readonly clockOffsetMs: number;
}

/** Nothing is known. */
export const EMPTY: View = Object.freeze({
  welcome: null,
  state: null,
  call: null,
  preview: null,
  progress: null,
  audio: null,
  clockOffsetMs: 0,
});

/** The view after a message, heard at `nowMs` of our clock. */
export function after(view: View, message: ServerMessage, nowMs: number): View {
  switch (message.type) {
    case "welcome":
      return { ...EMPTY, welcome: message, clockOffsetMs: message.now_ms - nowMs };
    case "resumed": {
      const clockOffsetMs = message.now_ms - nowMs;
      if (message.follows === "missed") return { ...view, clockOffsetMs };
      // A snapshot: what is on the screen is void, what holds follows.
      return { ...EMPTY, welcome: view.welcome, clockOffsetMs };
    }
    case "pong":
      return { ...view, clockOffsetMs: message.now_ms - nowMs };
    case "state": {
      const free = message.state === "ready" || message.state === "break" || message.state === "offline" || message.state === "manual";
      return free ? { ...view, state: message, call: null, preview: null, progress: null } : { ...view, state: message };
    }
    case "call.preview":
      return { ...view, preview: message, progress: null, call: null };
    case "call.progress":
      return { ...view, progress: message };
    case "call.connected":
      return { ...view, call: begun(message), preview: null, progress: null };
    case "call.over":
      return {
        ...view,
        preview: view.preview?.call === message.call ? null : view.preview,
        progress: view.progress?.call === message.call ? null : view.progress,
      };
    case "card": {
      if (view.call?.call !== message.call) return view;
      const whole = message.card === "customer";
      const card = whole ? ({ ...view.call.card, ...(message.body as CardBody), complete: true } as CardBody) : view.call.card;
      const cards = whole ? view.call.cards : { ...view.call.cards, [message.card]: message.body };
      return { ...view, call: { ...view.call, card, cards } };
    }
    case "call.ended":
      return view.call?.call === message.call ? { ...view, call: { ...view.call, ended: message } } : view;
    case "saved":
      return view.call?.call === message.call ? { ...view, call: { ...view.call, saved: true } } : view;
    case "audio":
      return { ...view, audio: message };
    default:
      return view;
  }
}

function begun(message: CallConnected): CallView {
  return { call: message.call, answeredAtMs: message.answered_at_ms, card: message, cards: {}, ended: null, saved: false };
}
