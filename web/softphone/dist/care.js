/**
 * When a WebRTC leg is mended, and how: wait, restart ICE (same keys, same SSRC, the call goes on), or build it anew.
 * Pure: told what is seen and for how long.
 */
/** `disconnected` often mends itself within a beat or two of the consent checks (RFC 7675: each 5 s, jittered). */
export const DISCONNECTED_MS = 1_500;
/** A restart gets this long before the next one. */
export const RESTART_WAIT_MS = 4_000;
/** After so many restarts in a row the leg is built anew. */
export const RESTARTS_MAX = 3;
/** Longest time to connect at first. */
export const CONNECT_MS = 12_000;
/** The engine hears nothing although we believe to be connected. */
export const UNHEARD_MS = 4_000;
/** What to do now. */
export function care(seen) {
    // Without the socket nothing can be negotiated; and the audio is none the worse for it.
    if (!seen.online || seen.peer === "none")
        return "nothing";
    if (seen.peer === "closed")
        return "rebuild";
    const again = seen.sinceRestartMs >= RESTART_WAIT_MS;
    const mend = seen.restarts < RESTARTS_MAX ? "restart" : "rebuild";
    if (seen.networkChanged && again)
        return "restart";
    switch (seen.peer) {
        case "failed":
            return again ? mend : "nothing";
        case "disconnected":
            return again && seen.forMs >= DISCONNECTED_MS ? mend : "nothing";
        case "new":
        case "connecting":
            return seen.forMs >= CONNECT_MS && seen.sinceRestartMs >= CONNECT_MS ? "rebuild" : "nothing";
        case "connected":
            // The engine forgot the leg (it was restarted), or hears nothing on it.
            if (seen.engine === "none" && seen.forMs >= UNHEARD_MS)
                return again ? "rebuild" : "nothing";
            if (seen.engine === "lost" && seen.forMs >= UNHEARD_MS)
                return again ? mend : "nothing";
            return "nothing";
    }
}
