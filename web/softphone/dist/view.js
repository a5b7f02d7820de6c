/** What holds now, gathered from the engine's messages. Pure: a message and the old view give the new one. */
/** Nothing is known. */
export const EMPTY = Object.freeze({
    welcome: null,
    state: null,
    call: null,
    preview: null,
    progress: null,
    audio: null,
    clockOffsetMs: 0,
});
/** The view after a message, heard at `nowMs` of our clock. */
export function after(view, message, nowMs) {
    switch (message.type) {
        case "welcome":
            return { ...EMPTY, welcome: message, clockOffsetMs: message.now_ms - nowMs };
        case "resumed": {
            const clockOffsetMs = message.now_ms - nowMs;
            if (message.follows === "missed")
                return { ...view, clockOffsetMs };
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
            if (view.call?.call !== message.call)
                return view;
            const whole = message.card === "customer";
            const card = whole ? { ...view.call.card, ...message.body, complete: true } : view.call.card;
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
function begun(message) {
    return { call: message.call, answeredAtMs: message.answered_at_ms, card: message, cards: {}, ended: null, saved: false };
}
