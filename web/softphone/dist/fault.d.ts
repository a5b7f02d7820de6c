/** What can go wrong, with a stable code: the engine's codes (docs/agent-protocol.md, "Errors") and our own below. */
import type { ErrorNews, UnixMillis } from "./protocol.js";
/**
 * Codes of this client, beside those of the engine:
 * - `no_answer` the engine did not answer a request in time
 * - `session_lost` a new session began before the request was answered: ask again
 * - `closed` the softphone is logged out
 * - `not_heard` the echo check did not hear the microphone
 * - `microphone_refused`, `microphone_absent` the browser gives none
 * - `insecure_page` browsers give microphones to HTTPS and localhost only
 * - `audio_failed` the audio could not be negotiated
 * - `no_call` nobody is on the line
 * - `bad_keys` something that no keypad has
 */
export type OwnCode = "no_answer" | "session_lost" | "closed" | "not_heard" | "microphone_refused" | "microphone_absent" | "insecure_page" | "audio_failed" | "no_call" | "bad_keys";
/** Something was refused or failed. */
export declare class SoftphoneError extends Error {
    /** Stable code. */
    readonly code: string;
    /** Which field of the message, where one is at fault (`promise.amount`). */
    readonly field: string | undefined;
    /** With `held_by_rule`: which rule. */
    readonly rule: string | undefined;
    /** With `held_by_rule`: the next lawful instant. */
    readonly notBeforeMs: UnixMillis | undefined;
    constructor(code: string, message: string, more?: {
        field?: string;
        rule?: string;
        notBeforeMs?: UnixMillis;
    });
    /** The engine's refusal. */
    static of(news: ErrorNews): SoftphoneError;
}
