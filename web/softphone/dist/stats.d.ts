/** The few figures of `getStats` that say whether a call sounds well. Pure. */
/** One look at the leg. Counts are since the leg was built; rates are since the look before. */
export interface AudioFigures {
    /** Codec in use ("PCMU", "PCMA"); empty before the first packet. */
    codec: string;
    packetsSent: number;
    packetsReceived: number;
    packetsLost: number;
    /** Jitter of what comes in, milliseconds. */
    jitterMs: number;
    /** Round trip to the engine, milliseconds; `null`: not measured yet. */
    roundTripMs: number | null;
    /** Share of heard samples that were made up for missing ones since the last look, 0..1. */
    concealedRatio: number;
    /** Packets lost since the last look, of those expected, 0..1. */
    lostRatio: number;
    /** Sources, to prove that the leg is the same across calls. */
    ssrcIn: number | null;
    ssrcOut: number | null;
    /** Sum of heard samples and of concealed ones, for the next look. */
    samples: number;
    concealed: number;
}
/** What `RTCStatsReport` iterates over. */
export type Report = Iterable<[string, Record<string, unknown>]>;
/** Sums a report up. `before`: the last look, for rates. */
export declare function figures(report: Report, before?: AudioFigures | null): AudioFigures;
