/**
 * An agent of Tandem in a browser: log-in, state, calls, cards and audio for any page. No framework.
 *
 * Owns the websocket and the audio leg; decides nothing about calls. Losing the socket leaves the conversation alone: the
 * audio does not travel over it.
 */
import { listDevices, type LegState, type Microphone } from "./audio.js";
import { Emitter } from "./emitter.js";
import { SoftphoneError } from "./fault.js";
import { type Ask, type AudioKind, type AudioNews, type CallConnected, type CallEnded, type CallId, type CallOver, type CallPreview, type CallProgress, type CardName, type CardNews, type OutcomeWish, type Saved, type StateNews, type Welcome } from "./protocol.js";
import { type Status } from "./session.js";
import type { AudioFigures } from "./stats.js";
import { type View } from "./view.js";
/** As much of a websocket as is needed. */
export interface SocketLike {
    onopen: ((event: never) => void) | null;
    onmessage: ((event: {
        data: unknown;
    }) => void) | null;
    onclose: ((event: {
        code: number;
        reason?: string;
    }) => void) | null;
    onerror: ((event: never) => void) | null;
    send(text: string): void;
    close(code?: number): void;
}
/** How a softphone is made. */
export interface SoftphoneOptions {
    /** The agents' websocket, `wss://.../agent` (`ws://` on this machine). */
    url: string;
    /** Log-in name. */
    agent: string;
    /** The agent's token. Kept in memory, sent in the first message only. */
    token: string;
    /** "auto" (default): where the engine wants a browser leg, it is opened right after the log-in. "off": `startAudio` opens it. */
    audio?: "auto" | "off";
    /** Where the voice comes from. Default: the browser's default microphone. */
    microphone?: Microphone;
    /** Uses TURN servers only: for networks that let nothing else out. Default false. */
    relayOnly?: boolean;
    /** Sounds for the agent. The page shows each of them, too. Default true. */
    tones?: boolean;
    /** Time between two `levels` events, in milliseconds; 0: none. Default 50. */
    levelsEveryMs?: number;
    /** For tests: another socket, clock and chance. */
    socket?: (url: string) => SocketLike;
    now?: () => number;
    random?: () => number;
}
/** Audio, as the page shows it. */
export interface AudioState extends LegState {
    /** How this agent hears and speaks; `null` before the log-in. */
    kind: AudioKind | null;
    /** The engine's side. */
    engine: AudioNews | null;
    /** Both sides say that the leg is up. */
    up: boolean;
}
/** What happens, by name. */
export interface SoftphoneEvents {
    /** The socket's status. "reconnecting": the call goes on, nothing can be asked. "closed": for good, `reason` says why. */
    status: {
        status: Status;
        reason?: string;
    };
    welcome: Welcome;
    state: StateNews;
    preview: CallPreview;
    progress: CallProgress;
    over: CallOver;
    call: CallConnected;
    card: CardNews;
    ended: CallEnded;
    saved: Saved;
    audio: AudioState;
    /** In dBFS, -60 to 0. */
    levels: {
        microphoneDb: number;
        customerDb: number;
    };
    /** A microphone or headset came or went. */
    devices: {
        microphones: MediaDeviceInfo[];
        outputs: MediaDeviceInfo[];
    };
    /** Any of the above changed the view. */
    view: View;
    /** What nobody asked for went wrong; failures of requests reject their promises. */
    error: SoftphoneError;
}
/** One agent. */
export declare class Softphone extends Emitter<SoftphoneEvents> {
    #private;
    constructor(options: SoftphoneOptions);
    /** Everything that holds now. A new object at each change. */
    get view(): View;
    /** The socket's status. */
    get status(): Status;
    /** Requests without an answer yet; an outcome in here is kept and sent when the engine is back. */
    get waiting(): {
        request: number;
        ask: Ask;
    }[];
    /** The engine's clock, in unix milliseconds. */
    get engineNowMs(): number;
    /** Audio, both sides. */
    get audio(): AudioState;
    /** Connects and logs in. Rejects where the engine refuses; a network that is down is tried again. */
    logIn(): Promise<Welcome>;
    /** Logs out: at once, or after the call that is on the line. Resolves when it is understood. */
    logOut(): Promise<void>;
    /** Drops everything without a word to the engine: the page goes away. */
    close(): void;
    /** Calls, please. */
    ready(): Promise<void>;
    /** A break, at once or after the call. `reason`: one of `break_reasons`. */
    break(reason: string): Promise<void>;
    /** Own dialling. */
    manual(): Promise<void>;
    /** The card of the call on the line is on the screen. Say it after the paint, each time. */
    painted(call?: CallId): void;
    /** Asks for a further card. */
    expand(card: CardName, call?: CallId): Promise<CardNews>;
    /** Ends the conversation. */
    hangUp(call?: CallId): Promise<void>;
    /** Says what came of the call. Resolves once it is durable; survives cuts, and is kept once. */
    outcome(wish: OutcomeWish, call?: CallId): Promise<void>;
    /** Dials the lead on the screen, the last call's person once more, or a lead by name. */
    dial(what: {
        call: CallId;
    } | {
        lead: string;
    }): Promise<void>;
    /** Does not want the lead on the screen dialled. */
    skip(reason: string, call: CallId): Promise<void>;
    /** Asks for a lead, by hand. */
    next(campaign?: string): Promise<void>;
    /** Takes the microphone and opens the leg, where the engine wants one. Must follow a click on browsers that ask for it. */
    startAudio(microphone?: Microphone): Promise<void>;
    /** The engine plays a tone and then the agent's own voice for 3 s. Needed once before the first `ready`. */
    checkAudio(): Promise<void>;
    /** The microphone off or on: here at once, and at the engine, which keeps it so over a reload of the page. */
    mute(on: boolean): Promise<void>;
    /** Music for the customer, silence for the agent; and back. */
    hold(on: boolean, call?: CallId): Promise<void>;
    /** Presses keys towards the customer's side: digits, `*`, `#`, A to D. */
    keys(digits: string, call?: CallId): Promise<void>;
    /** Starts, pauses or resumes the recording. While it is paused, silence is kept in both channels. */
    record(action: "start" | "pause" | "resume", call?: CallId): Promise<void>;
    /** Another microphone, from now on; the leg stays as it is. */
    useMicrophone(microphone: Microphone): Promise<void>;
    /** Another loudspeaker or headset. */
    useOutput(deviceId: string): Promise<void>;
    /** Loudness of what the agent hears, 0..1. */
    setVolume(volume: number): void;
    /** Pitch of the test tone. */
    setToneHertz(hertz: number): void;
    /** Microphones and loudspeakers. */
    devices(): ReturnType<typeof listDevices>;
    /** Moves the leg to the network as it is now. It does so by itself; this is for a button. */
    restartAudio(): Promise<void>;
    /** Figures of the leg; rates are since the last call of this. */
    stats(): Promise<AudioFigures | null>;
    /** The strongest frequency that the agent hears now. */
    heardPeak(): {
        hertz: number;
        db: number;
    };
}
