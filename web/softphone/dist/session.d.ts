/**
 * The socket's session: log-in, numbers, what was answered, coming back after a cut. Pure: told the time and chance, and
 * what happened to the socket; says what to do. Opens nothing.
 */
import { SoftphoneError } from "./fault.js";
import { type Ask, type CallId, type ServerMessage } from "./protocol.js";
/** Longest silence of a socket that is being opened, in milliseconds. */
export declare const OPEN_WAIT_MS = 10000;
/** Longest wait for an answer while the socket is there, in milliseconds. An outcome waits as long as it takes. */
export declare const ANSWER_WAIT_MS = 15000;
/** Longest wait between two tries, in milliseconds (docs/agent-protocol.md, "Closing"). */
export declare const RETRY_MAX_MS = 10000;
/** Requests that may wait for their answer. */
export declare const PENDING_MAX = 64;
/** How the socket is. */
export type Status = "idle" | "connecting" | "online" | "reconnecting" | "closed";
/** What the session wants done. */
export type Act = 
/** Open a socket; report `opened`, `heard`, `closed`. */
{
    act: "open";
}
/** Send this on the open socket. */
 | {
    act: "send";
    text: string;
}
/** Drop the socket and report `closed`: nothing is heard on it any more. */
 | {
    act: "drop";
}
/** Call `due` after this time. */
 | {
    act: "wait";
    ms: number;
}
/** The status changed. */
 | {
    act: "status";
    status: Status;
    reason?: string;
}
/** The engine said this. */
 | {
    act: "message";
    message: ServerMessage;
}
/** A request was met. */
 | {
    act: "met";
    request: number;
    by: ServerMessage | null;
}
/** A request was refused, or came to nothing. */
 | {
    act: "refused";
    request: number;
    fault: SoftphoneError;
};
/** The wait before the `attempt`-th return (from 0), by `chance` in 0..1: 0.2 to 1 s, doubled each time, at most 10 s. */
export declare function retryWait(attempt: number, chance: number): number;
/** One agent's session over any number of sockets. */
export declare class Session {
    #private;
    private readonly who;
    private readonly now;
    private readonly chance;
    constructor(who: {
        agent: string;
        token: string;
    }, now: () => number, chance: () => number);
    /** How the socket is. */
    get status(): Status;
    /** Number of the last message that was handled. */
    get sequence(): number;
    /** Requests that wait for an answer, oldest first. */
    waiting(): {
        request: number;
        ask: Ask;
    }[];
    /** Logs in. */
    start(): Act[];
    /** The wait is over. */
    due(): Act[];
    /** The network came back: do not wait any longer. */
    hurry(): Act[];
    /** The socket is open. */
    opened(): Act[];
    /** A text came. */
    heard(text: string): Act[];
    /** The socket is closed, by whomever. */
    closed(code: number): Act[];
    /** Looks at the clock. Call it about every second. */
    tick(): Act[];
    /** Asks for something. It gets a number, is sent now or once the engine is back, and ends in `met` or `refused`. */
    ask(ask: Ask): {
        request: number;
        acts: Act[];
    };
    /** The card of this call is on the screen. Lost with the socket: then the engine paints it anew. */
    painted(call: CallId): Act[];
    /** Ends for good: nothing is sent any more. */
    stop(): Act[];
}
