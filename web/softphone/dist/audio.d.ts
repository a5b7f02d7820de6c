/**
 * The agent's audio in a browser: microphone, one WebRTC leg for the whole shift, speaker, meters. Negotiates through whatever
 * the owner hands in; knows no protocol message.
 */
import { type Seen } from "./care.js";
import { SoftphoneError } from "./fault.js";
import type { IceServer } from "./protocol.js";
import { type AudioFigures } from "./stats.js";
import { type Tone } from "./tones.js";
/** Where the agent's voice comes from. */
export type Microphone = {
    kind: "device";
    /** As `devices()` lists it; absent: the browser's default. */
    deviceId?: string;
    /** Default true: without a headset the customer hears himself. */
    echoCancellation?: boolean;
    /** Default true. */
    noiseSuppression?: boolean;
    /** Default true. */
    autoGainControl?: boolean;
}
/** A steady tone, for machines without a microphone. */
 | {
    kind: "tone";
    hertz?: number;
}
/** A stream of the page's own. It stays the page's: it is not stopped here. */
 | {
    kind: "stream";
    stream: MediaStream;
};
/** How the browser's side is. */
export interface LegState {
    /** As `RTCPeerConnection.connectionState` says; "none": not opened. */
    peer: RTCPeerConnectionState | "none";
    /** "live": samples come; "ended": the device was unplugged or taken away. */
    microphone: "none" | "live" | "ended";
    /** The microphone is switched off here. */
    muted: boolean;
    /** Times that ICE was restarted, and that the leg was built, since it was opened. */
    restarts: number;
    builds: number;
}
/** What the leg needs of its owner. */
export interface LegHooks {
    /** Brings an offer to the engine and its answer back. */
    offer(sdp: string): Promise<string>;
    /** The engine can be asked. */
    online(): boolean;
    /** What the engine says of the leg. */
    engine(): Seen["engine"];
    /** Something of `LegState` changed. */
    changed(): void;
    /** Something failed and is tried again. */
    fault(fault: SoftphoneError): void;
}
/** The leg. */
export declare class AudioLeg {
    #private;
    private readonly hooks;
    private readonly now;
    constructor(hooks: LegHooks, now: () => number);
    /** How it is. */
    get state(): LegState;
    /** Takes the microphone and builds the leg. Resolves once the engine has answered the offer. */
    open(iceServers: IceServer[], microphone: Microphone, relayOnly: boolean): Promise<void>;
    /** Another microphone, without renegotiation: the customer hears no gap beyond the switch. */
    useMicrophone(wish: Microphone): Promise<void>;
    /** Another loudspeaker or headset. Not every browser can: then this rejects. */
    useOutput(deviceId: string): Promise<void>;
    /** Loudness of what the agent hears, 0..1. */
    set volume(volume: number);
    /** Pitch of the test tone, if that is the microphone. */
    set toneHertz(hertz: number);
    /** Switches the microphone off or on, at once and whatever the engine is doing. */
    mute(on: boolean): void;
    /** Levels now, in dBFS. */
    levels(): {
        microphoneDb: number;
        customerDb: number;
    };
    /** The strongest frequency that the agent hears. */
    heardPeak(): {
        hertz: number;
        db: number;
    };
    /** A sound for the agent only. */
    tone(tone: Tone): void;
    /** Figures of the leg; rates are since the last call of this. */
    stats(): Promise<AudioFigures | null>;
    /** The network changed under us: the leg is moved over as soon as the engine can be asked. */
    networkChanged(): void;
    /** Looks after the leg. Call it about twice a second. */
    tick(): void;
    /** ICE restart: new addresses, same keys and streams. */
    restart(): Promise<void>;
    /** A new leg in place of the old one. */
    rebuild(): Promise<void>;
    /** Ends it: no microphone, no leg. */
    close(): void;
}
/** Any failure as ours. */
export declare function asFault(fault: unknown): SoftphoneError;
/** Microphones and loudspeakers. Their labels are empty until a microphone was allowed once. */
export declare function listDevices(): Promise<{
    microphones: MediaDeviceInfo[];
    outputs: MediaDeviceInfo[];
}>;
