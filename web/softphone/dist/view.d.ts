/** What holds now, gathered from the engine's messages. Pure: a message and the old view give the new one. */
import type { AudioNews, CallEnded, CallId, CallPreview, CallProgress, CardBody, CardName, ServerMessage, StateNews, Welcome } from "./protocol.js";
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
export declare const EMPTY: View;
/** The view after a message, heard at `nowMs` of our clock. */
export declare function after(view: View, message: ServerMessage, nowMs: number): View;
