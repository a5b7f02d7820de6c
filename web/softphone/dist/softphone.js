/**
 * An agent of Tandem in a browser: log-in, state, calls, cards and audio for any page. No framework.
 *
 * Owns the websocket and the audio leg; decides nothing about calls. Losing the socket leaves the conversation alone: the
 * audio does not travel over it.
 */
import { AudioLeg, asFault, listDevices } from "./audio.js";
import { Emitter } from "./emitter.js";
import { SoftphoneError } from "./fault.js";
import { KEYS, } from "./protocol.js";
import { Session } from "./session.js";
import { EMPTY, after } from "./view.js";
/** Time between two looks at the clock. */
const TICK_MS = 500;
/** A call older than this, by the engine's clock, is no news: it came back with a resume, and makes no sound. */
const FRESH_MS = 5_000;
/** One agent. */
export class Softphone extends Emitter {
    #options;
    #session;
    #now;
    #socket = null;
    #view = EMPTY;
    #status = "idle";
    #waiters = new Map();
    #leg = null;
    #legWanted = false;
    #timers = [];
    #retry;
    #undo = [];
    constructor(options) {
        super();
        this.#options = options;
        this.#now = options.now ?? (() => Date.now());
        this.#session = new Session({ agent: options.agent, token: options.token }, this.#now, options.random ?? Math.random);
    }
    /** Everything that holds now. A new object at each change. */
    get view() {
        return this.#view;
    }
    /** The socket's status. */
    get status() {
        return this.#status;
    }
    /** Requests without an answer yet; an outcome in here is kept and sent when the engine is back. */
    get waiting() {
        return this.#session.waiting();
    }
    /** The engine's clock, in unix milliseconds. */
    get engineNowMs() {
        return this.#now() + this.#view.clockOffsetMs;
    }
    /** Audio, both sides. */
    get audio() {
        const leg = this.#leg?.state ?? { peer: "none", microphone: "none", muted: false, restarts: 0, builds: 0 };
        const kind = this.#view.welcome?.audio?.kind ?? (this.#view.welcome ? "none" : null);
        const engine = this.#view.audio;
        const up = engine?.leg === "up" && (kind !== "browser" || leg.peer === "connected");
        return { ...leg, kind, engine, up };
    }
    /** Connects and logs in. Rejects where the engine refuses; a network that is down is tried again. */
    logIn() {
        const refused = this.once("status", ({ status }) => status === "closed").then(({ reason }) => {
            throw new SoftphoneError(reason ?? "closed", `The engine did not let us in (${reason ?? "closed"}).`);
        });
        const welcome = Promise.race([this.once("welcome"), refused]);
        this.#watch();
        this.#do(this.#session.start());
        return welcome;
    }
    /** Logs out: at once, or after the call that is on the line. Resolves when it is understood. */
    async logOut() {
        await this.#ask({ type: "state", to: "offline" });
    }
    /** Drops everything without a word to the engine: the page goes away. */
    close() {
        this.#do(this.#session.stop());
    }
    /** Calls, please. */
    async ready() {
        await this.#ask({ type: "state", to: "ready" });
    }
    /** A break, at once or after the call. `reason`: one of `break_reasons`. */
    async break(reason) {
        await this.#ask({ type: "state", to: "break", reason });
    }
    /** Own dialling. */
    async manual() {
        await this.#ask({ type: "state", to: "manual" });
    }
    /** The card of the call on the line is on the screen. Say it after the paint, each time. */
    painted(call = this.#callId()) {
        this.#do(this.#session.painted(call));
    }
    /** Asks for a further card. */
    async expand(card, call = this.#callId()) {
        return (await this.#ask({ type: "expand", call, card }));
    }
    /** Ends the conversation. */
    async hangUp(call = this.#callId()) {
        await this.#ask({ type: "hang_up", call });
    }
    /** Says what came of the call. Resolves once it is durable; survives cuts, and is kept once. */
    async outcome(wish, call = this.#callId()) {
        await this.#ask({ type: "outcome", call, ...wish });
    }
    /** Dials the lead on the screen, the last call's person once more, or a lead by name. */
    async dial(what) {
        await this.#ask({ type: "dial", ...what });
    }
    /** Does not want the lead on the screen dialled. */
    async skip(reason, call) {
        await this.#ask({ type: "skip", call, reason });
    }
    /** Asks for a lead, by hand. */
    async next(campaign) {
        await this.#ask(campaign === undefined ? { type: "next" } : { type: "next", campaign });
    }
    /** Takes the microphone and opens the leg, where the engine wants one. Must follow a click on browsers that ask for it. */
    async startAudio(microphone = this.#options.microphone ?? { kind: "device" }) {
        this.#legWanted = true;
        const leg = (this.#leg ??= new AudioLeg({
            offer: async (sdp) => (await this.#ask({ type: "audio_offer", sdp })).sdp,
            online: () => this.#status === "online",
            engine: () => this.#view.audio?.leg ?? null,
            changed: () => this.#tellAudio(),
            fault: (fault) => this.emit("error", fault),
        }, this.#now));
        await leg.open(this.#view.welcome?.audio?.ice_servers ?? [], microphone, this.#options.relayOnly ?? false);
    }
    /** The engine plays a tone and then the agent's own voice for 3 s. Needed once before the first `ready`. */
    async checkAudio() {
        await this.#ask({ type: "audio_check" });
    }
    /** The microphone off or on: here at once, and at the engine, which keeps it so over a reload of the page. */
    async mute(on) {
        this.#leg?.mute(on);
        if (this.#holds("mute", this.#view.audio?.muted === on))
            return;
        await this.#ask({ type: "mute", on });
    }
    /** Music for the customer, silence for the agent; and back. */
    async hold(on, call = this.#callId()) {
        if (this.#holds("hold", this.#view.audio?.held === on))
            return;
        await this.#ask({ type: "hold", call, on });
    }
    /** Presses keys towards the customer's side: digits, `*`, `#`, A to D. */
    async keys(digits, call = this.#callId()) {
        if (!KEYS.test(digits))
            throw new SoftphoneError("bad_keys", "Keys are 0-9, *, # and A-D, at most 32.");
        this.#sound("key");
        await this.#ask({ type: "keys", call, digits });
    }
    /** Starts, pauses or resumes the recording. While it is paused, silence is kept in both channels. */
    async record(action, call = this.#callId()) {
        const wanted = action === "pause" ? "paused" : "on";
        if (this.#holds("record", this.#view.audio?.recording === wanted))
            return;
        await this.#ask({ type: "record", call, action });
    }
    /** Another microphone, from now on; the leg stays as it is. */
    async useMicrophone(microphone) {
        if (this.#leg === null)
            throw new SoftphoneError("audio_failed", "Audio is not started.");
        await this.#leg.useMicrophone(microphone);
    }
    /** Another loudspeaker or headset. */
    async useOutput(deviceId) {
        if (this.#leg === null)
            throw new SoftphoneError("audio_failed", "Audio is not started.");
        await this.#leg.useOutput(deviceId);
    }
    /** Loudness of what the agent hears, 0..1. */
    setVolume(volume) {
        if (this.#leg)
            this.#leg.volume = volume;
    }
    /** Pitch of the test tone. */
    setToneHertz(hertz) {
        if (this.#leg)
            this.#leg.toneHertz = hertz;
    }
    /** Microphones and loudspeakers. */
    devices() {
        return listDevices();
    }
    /** Moves the leg to the network as it is now. It does so by itself; this is for a button. */
    async restartAudio() {
        await this.#leg?.restart();
    }
    /** Figures of the leg; rates are since the last call of this. */
    stats() {
        return this.#leg?.stats() ?? Promise.resolve(null);
    }
    /** The strongest frequency that the agent hears now. */
    heardPeak() {
        return this.#leg?.heardPeak() ?? { hertz: 0, db: -200 };
    }
    /** It is so already, and nothing is under way that changes it: the engine says nothing about what it need not change. */
    #holds(type, isSo) {
        return isSo && !this.waiting.some(({ ask }) => ask.type === type);
    }
    #callId() {
        const call = this.#view.call?.call;
        if (call === undefined)
            throw new SoftphoneError("no_call", "There is no call.");
        return call;
    }
    #ask(ask) {
        return new Promise((resolve, reject) => {
            const { request, acts } = this.#session.ask(ask);
            this.#waiters.set(request, { resolve, reject });
            this.#do(acts);
        });
    }
    #do(acts) {
        for (const act of acts) {
            switch (act.act) {
                case "open":
                    this.#open();
                    break;
                case "send":
                    this.#send(act.text);
                    break;
                case "drop":
                    this.#drop();
                    break;
                case "wait":
                    clearTimeout(this.#retry);
                    this.#retry = setTimeout(() => this.#do(this.#session.due()), act.ms);
                    break;
                case "status":
                    this.#became(act.status, act.reason);
                    break;
                case "message":
                    this.#hear(act.message);
                    break;
                case "met":
                    this.#waiters.get(act.request)?.resolve(act.by);
                    this.#waiters.delete(act.request);
                    break;
                case "refused":
                    this.#waiters.get(act.request)?.reject(act.fault);
                    this.#waiters.delete(act.request);
                    break;
            }
        }
    }
    #open() {
        this.#detach()?.close();
        const make = this.#options.socket ?? ((url) => new WebSocket(url));
        let socket;
        try {
            socket = make(this.#options.url);
        }
        catch (fault) {
            // A page over HTTPS may not open ws://, and an address may be none: trying again would not help.
            this.emit("error", new SoftphoneError("insecure_page", String(fault)));
            this.close();
            return;
        }
        this.#socket = socket;
        socket.onopen = () => this.#do(this.#session.opened());
        socket.onmessage = ({ data }) => {
            if (typeof data === "string")
                this.#do(this.#session.heard(data));
        };
        socket.onclose = ({ code }) => {
            this.#detach();
            this.#do(this.#session.closed(code));
        };
        // Always followed by a close, which says more.
        socket.onerror = () => undefined;
    }
    #send(text) {
        try {
            this.#socket?.send(text);
        }
        catch {
            // It is closing: the close comes, and what was not answered is sent again.
        }
    }
    #drop() {
        const socket = this.#detach();
        if (socket === null)
            return;
        socket.close();
        // A dead way does not even carry the close: do not wait for it.
        this.#do(this.#session.closed(1006));
    }
    #detach() {
        const socket = this.#socket;
        this.#socket = null;
        if (socket !== null)
            socket.onopen = socket.onmessage = socket.onclose = null;
        return socket;
    }
    #became(status, reason) {
        const before = this.#status;
        this.#status = status;
        if (status === "reconnecting" && before === "online")
            this.#sound("lost");
        if (status === "closed")
            this.#rest();
        this.emit("status", reason === undefined ? { status } : { status, reason });
    }
    #hear(message) {
        const before = this.#view;
        this.#view = after(before, message, this.#now());
        switch (message.type) {
            case "welcome":
                this.emit("welcome", message);
                this.#begin(message);
                break;
            case "state":
                this.emit("state", message);
                break;
            case "call.preview":
                this.emit("preview", message);
                break;
            case "call.progress":
                this.emit("progress", message);
                break;
            case "call.over":
                this.emit("over", message);
                break;
            case "call.connected":
                if (this.engineNowMs - message.pushed_at_ms < FRESH_MS)
                    this.#sound("call");
                this.emit("call", message);
                break;
            case "card":
                this.emit("card", message);
                break;
            case "call.ended":
                this.emit("ended", message);
                // The next customer must not be met by a microphone that was switched off for this one.
                if (this.audio.muted || this.#view.audio?.muted)
                    void this.mute(false).catch((fault) => this.emit("error", asFault(fault)));
                break;
            case "saved":
                this.emit("saved", message);
                break;
            case "audio":
                this.#tellAudio();
                break;
            case "error":
                if (!message.request)
                    this.emit("error", SoftphoneError.of(message));
                break;
            default:
                break;
        }
        if (this.#view !== before)
            this.emit("view", this.#view);
    }
    /** A new session: the engine knows no leg of ours, so it is opened (again). */
    #begin(welcome) {
        if (welcome.audio?.kind !== "browser")
            return;
        if (this.#options.audio === "off" && !this.#legWanted)
            return;
        void this.startAudio().catch((fault) => this.emit("error", asFault(fault)));
    }
    #tellAudio() {
        this.emit("audio", this.audio);
    }
    #sound(tone) {
        if (this.#options.tones !== false)
            this.#leg?.tone(tone);
    }
    /** Clock, levels, and what the browser says of network and devices. */
    #watch() {
        this.#rest();
        this.#timers.push(setInterval(() => {
            this.#do(this.#session.tick());
            this.#leg?.tick();
        }, TICK_MS));
        const every = this.#options.levelsEveryMs ?? 50;
        if (every > 0) {
            this.#timers.push(setInterval(() => {
                if (this.#leg !== null)
                    this.emit("levels", this.#leg.levels());
            }, every));
        }
        if (typeof window === "undefined")
            return;
        const listen = (target, name, listener) => {
            target?.addEventListener(name, listener);
            this.#undo.push(() => target?.removeEventListener(name, listener));
        };
        listen(window, "online", () => {
            this.#leg?.networkChanged();
            clearTimeout(this.#retry);
            this.#do(this.#session.hurry());
        });
        const { connection } = navigator;
        listen(connection, "change", () => this.#leg?.networkChanged());
        listen(navigator.mediaDevices, "devicechange", () => {
            void listDevices().then((devices) => this.emit("devices", devices));
        });
    }
    #rest() {
        clearTimeout(this.#retry);
        for (const timer of this.#timers.splice(0))
            clearInterval(timer);
        for (const undo of this.#undo.splice(0))
            undo();
        this.#legWanted = false;
        this.#leg?.close();
        this.#leg = null;
    }
}
