/** The few figures of `getStats` that say whether a call sounds well. Pure. */
/** Sums a report up. `before`: the last look, for rates. */
export function figures(report, before = null) {
    const found = {
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
    const number = (value) => (typeof value === "number" ? value : 0);
    for (const entry of entries.values()) {
        if (entry.type === "inbound-rtp" && entry.kind === "audio") {
            found.packetsReceived += number(entry.packetsReceived);
            found.packetsLost += number(entry.packetsLost);
            found.jitterMs = number(entry.jitter) * 1_000;
            found.samples += number(entry.totalSamplesReceived);
            found.concealed += number(entry.concealedSamples);
            found.ssrcIn = number(entry.ssrc);
            const codec = typeof entry.codecId === "string" ? entries.get(entry.codecId) : undefined;
            if (typeof codec?.mimeType === "string")
                found.codec = codec.mimeType.replace(/^audio\//, "");
        }
        if (entry.type === "outbound-rtp" && entry.kind === "audio") {
            found.packetsSent += number(entry.packetsSent);
            found.ssrcOut = number(entry.ssrc);
        }
        if (entry.type === "candidate-pair" && entry.nominated === true && typeof entry.currentRoundTripTime === "number") {
            found.roundTripMs = entry.currentRoundTripTime * 1_000;
        }
    }
    const since = (now, then) => Math.max(0, now - (then ?? 0));
    const samples = since(found.samples, before?.samples);
    if (samples > 0)
        found.concealedRatio = Math.min(1, since(found.concealed, before?.concealed) / samples);
    const lost = since(found.packetsLost, before?.packetsLost);
    const expected = lost + since(found.packetsReceived, before?.packetsReceived);
    if (expected > 0)
        found.lostRatio = lost / expected;
    return found;
}
