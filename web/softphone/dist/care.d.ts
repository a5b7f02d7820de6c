/**
 * When a WebRTC leg is mended, and how: wait, restart ICE (same keys, same SSRC, the call goes on), or build it anew.
 * Pure: told what is seen and for how long.
 */
/** What is seen of the leg. */
export interface Seen {
    /** As `RTCPeerConnection.connectionState` says; "none": there is no connection object. */
    peer: "none" | "new" | "connecting" | "connected" | "disconnected" | "failed" | "closed";
    /** How long it has been so, in milliseconds. */
    forMs: number;
    /** Restarts since it was last connected. */
    restarts: number;
    /** Time since the last restart, in milliseconds; infinite if there was none. */
    sinceRestartMs: number;
    /** The engine can be asked: an offer travels over the socket. */
    online: boolean;
    /** What the engine says of its side. */
    engine: "none" | "connecting" | "up" | "lost" | null;
    /** The network changed (another interface, back from flight mode) since the last restart. */
    networkChanged: boolean;
}
/** `disconnected` often mends itself within a beat or two of the consent checks (RFC 7675: each 5 s, jittered). */
export declare const DISCONNECTED_MS = 1500;
/** A restart gets this long before the next one. */
export declare const RESTART_WAIT_MS = 4000;
/** After so many restarts in a row the leg is built anew. */
export declare const RESTARTS_MAX = 3;
/** Longest time to connect at first. */
export declare const CONNECT_MS = 12000;
/** The engine hears nothing although we believe to be connected. */
export declare const UNHEARD_MS = 4000;
/** What to do now. */
export declare function care(seen: Seen): "nothing" | "restart" | "rebuild";
