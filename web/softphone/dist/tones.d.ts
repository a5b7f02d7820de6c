/** Short sounds for the agent's ear only, made here: nothing is fetched. About -18 dBFS. */
/** Names of the sounds. */
export type Tone = "call" | "lost" | "reminder" | "key";
/** Plays a sound. */
export declare function play(context: AudioContext, tone: Tone): void;
/** A steady tone in place of a microphone, for machines without one and for tests. */
export declare class TestTone {
    #private;
    readonly stream: MediaStream;
    constructor(context: AudioContext, hertz?: number, level?: number);
    /** Another pitch, from now on. */
    set hertz(hertz: number);
    /** Silence. */
    stop(): void;
}
