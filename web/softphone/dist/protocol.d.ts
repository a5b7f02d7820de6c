/**
 * The agents' protocol, version 1, as types: what travels on the websocket, and nothing else.
 *
 * docs/agent-protocol.md tells what it means; test/protocol.test.mjs holds every message of ours against
 * docs/agent-protocol.schema.json. Fields and types that we do not know are ignored, as the document asks.
 */
/** Version of the protocol that this client speaks. */
export declare const VERSION = 1;
/** A call. Opaque: give it back as it came. */
export type CallId = string;
/** Unix milliseconds by the engine's clock. */
export type UnixMillis = number;
/** States of an agent. */
export type DeskState = "offline" | "break" | "ready" | "reserved" | "talking" | "wrap" | "manual";
/** States that can be asked for. */
export type WantedState = "ready" | "break" | "manual" | "offline";
/** Cards beyond the first one. */
export type CardName = "customer" | "contacts" | "references" | "loans" | "payments" | "timeline" | "script";
/** What an outcome code needs beside itself. */
export type OutcomeNeeds = "nothing" | "promise" | "paid" | "amount" | "schedule" | "follow_up" | "reason";
/** One outcome code. */
export interface OutcomeRule {
    code: string;
    contact: "right_party" | "third_party" | "no_contact";
    needs: OutcomeNeeds;
    may_promise?: boolean;
}
/** Which codes there are. */
export interface OutcomeSet {
    id: string;
    version: number;
    codes: OutcomeRule[];
}
/** How the agent hears and speaks. */
export type AudioKind = "browser" | "phone" | "none";
/** A STUN or TURN server, as `RTCPeerConnection` takes it. */
export interface IceServer {
    urls: string[];
    username?: string;
    credential?: string;
}
/** A session begins. */
export interface Welcome {
    type: "welcome";
    session: string;
    agent: {
        id: number;
        name: string;
    };
    campaigns: string[];
    break_reasons: string[];
    skip_reasons?: string[];
    outcome_set: OutcomeSet;
    ping_deadline_ms: number;
    now_ms: UnixMillis;
    audio?: {
        kind: AudioKind;
        ice_servers?: IceServer[];
    };
}
/** An earlier session goes on. */
export interface Resumed {
    type: "resumed";
    session: string;
    follows: "missed" | "snapshot";
    messages: number;
    now_ms: UnixMillis;
}
/** The agent's state. */
export interface StateNews {
    type: "state";
    state: DeskState;
    reason?: string | null;
    since_ms: UnixMillis;
    until_ms?: UnixMillis | null;
    call?: CallId | null;
    after_call: {
        to: DeskState;
        reason?: string | null;
    };
}
/** What is known of the person, as the importer brought it. Every part but the customer may be absent. */
export interface CardBody {
    complete?: boolean;
    campaign: {
        id: string;
        mode: string;
        why?: string | null;
    };
    customer: {
        cif: string;
        name: string;
        phone: string;
        phone_label?: string | null;
        salutation?: string | null;
        kind?: string | null;
        segment?: string | null;
        verify?: string[];
    };
    greeting?: string | null;
    loan?: {
        count?: number;
        account?: string;
        product?: string;
        days_past_due?: number;
        bucket?: string;
        due?: number;
        outstanding?: number;
        minimum_to_cure?: number | null;
        next_roll?: string | null;
        currency?: string;
    } | null;
    risk?: {
        class?: string;
        score?: number;
        archetype?: string | null;
        flags?: string[];
    } | null;
    last_contact?: {
        at?: string;
        channel?: string;
        outcome?: string;
        by?: string | null;
        note?: string | null;
    } | null;
    last_payment?: {
        at?: string;
        amount?: number;
        method?: string;
    } | null;
    promise?: {
        id?: string;
        amount?: number;
        due?: string;
        state?: string;
        kept?: number;
        broken?: number;
    } | null;
    care?: string[];
    script?: {
        id?: string;
        version?: number;
        opening?: string | null;
        required?: string[];
        objections?: string[];
    } | null;
    mood?: {
        cooperation?: string;
        reliability?: number;
        preference?: string | null;
        best_hours?: string | null;
        hardship?: number;
        disputes?: number;
    } | null;
    actions?: {
        outcome_set: string;
        version: number;
        hot: string[];
        wrap_s: number;
    } | null;
    more?: CardName[];
    dropped?: string[];
}
/** A call is on the agent's line. */
export interface CallConnected extends CardBody {
    type: "call.connected";
    call: CallId;
    answered_at_ms: UnixMillis;
    pushed_at_ms: UnixMillis;
}
/** A lead before it is dialled. */
export interface CallPreview extends CardBody {
    type: "call.preview";
    call: CallId;
    lead: string;
    until_ms: UnixMillis;
    on_timeout: "dial" | "skip" | "break" | "give_back";
    skips_left?: number | null;
}
/** How far a call is that is made for this agent. */
export interface CallProgress {
    type: "call.progress";
    call: CallId;
    stage: "dialling" | "ringing";
}
/** A preview, or a call made for this agent, came to nothing. */
export interface CallOver {
    type: "call.over";
    call: CallId;
    why: "skipped" | "timed_out" | "withdrawn" | "given_back" | "not_connected";
    result?: string | null;
}
/** A further card, or the first card's body where it was late (no `request`, card "customer"). */
export interface CardNews {
    type: "card";
    request?: number | null;
    call: CallId;
    card: CardName;
    shortened?: boolean;
    body: unknown;
}
/** A conversation is over. */
export interface CallEnded {
    type: "call.ended";
    call: CallId;
    by: "customer" | "agent" | "system";
    talk_ms: number;
    wrap_until_ms: UnixMillis;
}
/** An outcome is durable. */
export interface Saved {
    type: "saved";
    request?: number | null;
    call: CallId;
}
/** Something was refused. */
export interface ErrorNews {
    type: "error";
    request?: number | null;
    code: string;
    message: string;
    field?: string | null;
    rule?: string | null;
    not_before_ms?: UnixMillis | null;
}
/** Answer to `ping`. */
export interface Pong {
    type: "pong";
    now_ms: UnixMillis;
}
/** Why the engine closes this socket. */
export type ClosingReason = "logged_out" | "taken_over" | "too_slow" | "login_refused" | "hello_first" | "protocol_broken" | "busy" | "stopping";
/** The engine closes this socket. */
export interface Closing {
    type: "closing";
    reason: ClosingReason;
}
/** The engine's half of the audio negotiation. */
export interface AudioAnswer {
    type: "audio_answer";
    request: number;
    sdp: string;
}
/** How the agent's audio is, as the engine sees it. */
export interface AudioNews {
    type: "audio";
    /** The agent's leg. */
    leg: "none" | "connecting" | "up" | "lost";
    /** The echo and microphone check was passed. */
    checked: boolean;
    /** It runs now. */
    checking: boolean;
    /** The customer does not hear the agent. */
    muted: boolean;
    /** The customer hears music. */
    held: boolean;
    /** Whether the call is recorded. */
    recording: "off" | "on" | "paused";
}
/** What the engine says. */
export type ServerMessage = Welcome | Resumed | StateNews | CallPreview | CallProgress | CallConnected | CallOver | CardNews | CallEnded | Saved | ErrorNews | Pong | Closing | AudioAnswer | AudioNews;
/** A message of the engine with its envelope. */
export type ServerFrame = ServerMessage & {
    version: number;
    sequence: number;
};
/** A promise to pay: whole units of the currency, ISO date. */
export interface Promised {
    amount: number;
    due: string;
    method?: string;
}
/** An outcome, as the agent says it. What a code needs stands in the outcome set. */
export interface OutcomeWish {
    code: string;
    promise?: Promised;
    /** Unix milliseconds. */
    follow_up_at?: UnixMillis;
    reason?: string;
    amount?: number;
    paid?: {
        at: string;
        method: string;
    };
    schedule?: {
        due: string;
        amount: number;
    }[];
    note?: string;
    cooperation?: "COOPERATIVE" | "PARTIAL" | "UNCOOPERATIVE" | "HOSTILE" | "UNREACHABLE" | "UNKNOWN";
}
/** What is asked of the engine, before it gets its number. */
export type Ask = {
    type: "state";
    to: WantedState;
    reason?: string;
} | {
    type: "expand";
    call: CallId;
    card: CardName;
} | {
    type: "hang_up";
    call: CallId;
} | ({
    type: "outcome";
    call: CallId;
} & OutcomeWish) | {
    type: "dial";
    call?: CallId;
    lead?: string;
} | {
    type: "skip";
    call: CallId;
    reason: string;
} | {
    type: "next";
    campaign?: string;
} | {
    type: "audio_offer";
    sdp: string;
} | {
    type: "audio_check";
} | {
    type: "mute";
    on: boolean;
} | {
    type: "hold";
    call: CallId;
    on: boolean;
} | {
    type: "keys";
    call: CallId;
    digits: string;
} | {
    type: "record";
    call: CallId;
    action: "start" | "pause" | "resume";
};
/** What this client says without a number. */
export type Tell = {
    type: "hello";
    version: number;
    agent: string;
    token: string;
    resume?: {
        session: string;
        sequence: number;
    };
} | {
    type: "painted";
    call: CallId;
    painted_at_ms?: UnixMillis;
} | {
    type: "ping";
    sequence?: number;
};
/** Digits that a keypad has (RFC 4733 s.3.2, events 0 to 15). */
export declare const KEYS: RegExp;
/** Reads a text of the engine. `null`: no message of this protocol (the engine never sends such a thing, a proxy may). */
export declare function readFrame(text: string): ServerFrame | null;
