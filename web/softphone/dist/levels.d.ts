/** How loud something is, for a meter. */
/** Quietest level that a meter shows, in dBFS. */
export declare const FLOOR_DB = -60;
/** Level of samples in -1..1, in dBFS (0: full scale, sine at full scale is -3), at least [`FLOOR_DB`]. */
export declare function levelDb(samples: ArrayLike<number>): number;
/** A level as a share of the meter's width, 0..1. */
export declare function share(db: number): number;
/** Listens to one stream. */
export declare class Meter {
    #private;
    constructor(context: AudioContext, stream: MediaStream);
    /** The level now, in dBFS. */
    level(): number;
    /** Frequency of the strongest bin in hertz, and its level in dB; for the echo check's display and for tests. */
    peak(): {
        hertz: number;
        db: number;
    };
    /** Stops listening. */
    close(): void;
}
