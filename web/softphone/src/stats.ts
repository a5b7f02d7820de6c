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
export function figures(report: Report, before: AudioFigures | null = null): AudioFigures {
  const found: AudioFigures = {
    codec: "",
    packetsSent: 0,
    packetsReceived: 0,
    packetsLost: 0,
    jitterMs: 0,
    roundTripMs: null,
    concealedRatio: 0,
    lostRatio: 0,
    ssrcIn: null,
    ssrcOut: null,
    samples: 0,
    concealed: 0,
  };
  const entries = new Map(report);
  const number = (value: unknown) => (typeof value === "number" ? value : 0);
  for (const entry of entries.values()) {
    if (entry.type === "inbound-rtp" && entry.kind === "audio") {
      found.packetsReceived += number(entry.packetsReceived);
      found.packetsLost += number(entry.packetsLost);
      found.jitterMs = number(entry.jitter) * 1_000;
      found.samples += number(entry.totalSamplesReceived);
      found.concealed += number(entry.concealedSamples);
      found.ssrcIn = number(entry.ssrc);
      const codec = typeof entry.codecId === "string" ? entries.get(entry.codecId) : undefined;
      if (typeof codec?.mimeType === "string") found.codec = codec.mimeType.replace(/^audio\//, "");
    }
    if (entry.type === "outbound-rtp" && entry.kind === "audio") {
      found.packetsSent += number(entry.packetsSent);
      found.ssrcOut = number(entry.ssrc);
    }
    if (entry.type === "candidate-pair" && entry.nominated === true && typeof entry.currentRoundTripTime === "number") {
      found.roundTripMs = entry.currentRoundTripTime * 1_000;
    }
  }
  const since = (now: number, then: number | undefined) => Math.max(0, now - (then ?? 0));
  const samples = since(found.samples, before?.samples);
  if (samples > 0) found.concealedRatio = Math.min(1, since(found.concealed, before?.concealed) / samples);
  const lost = since(found.packetsLost, before?.packetsLost);
  const expected = lost + since(found.packetsReceived, before?.packetsReceived);
  if (expected > 0) found.lostRatio = lost / expected;
  return found;
}
