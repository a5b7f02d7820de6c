/** How loud something is, for a meter. */

/** Quietest level that a meter shows, in dBFS. */
export const FLOOR_DB = -60;

/** Level of samples in -1..1, in dBFS (0: full scale, sine at full scale is -3), at least [`FLOOR_DB`]. */
export function levelDb(samples: ArrayLike<number>): number {
  let sum = 0;
  for (let n = 0; n < samples.length; n++) sum += (samples[n] ?? 0) ** 2;
  if (sum === 0 || samples.length === 0) return FLOOR_DB;
  return Math.max(FLOOR_DB, 10 * Math.log10(sum / samples.length));
}

/** A level as a share of the meter's width, 0..1. */
export function share(db: number): number {
  return Math.min(1, Math.max(0, (db - FLOOR_DB) / -FLOOR_DB));
}

/** Listens to one stream. */
export class Meter {
  readonly #analyser: AnalyserNode;
  readonly #source: MediaStreamAudioSourceNode;
  readonly #samples: Float32Array<ArrayBuffer>;

  constructor(context: AudioContext, stream: MediaStream) {
    this.#analyser = context.createAnalyser();
    // 1,024 samples are 21 ms at 48 kHz: one syllable does not fall between two looks by much.
    this.#analyser.fftSize = 1_024;
    // What is there now: smoothed over looks, a tone would be shown long after its end.
    this.#analyser.smoothingTimeConstant = 0;
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#source = context.createMediaStreamSource(stream);
    this.#source.connect(this.#analyser);
  }

  /** The level now, in dBFS. */
  level(): number {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    return levelDb(this.#samples);
  }

  /** Frequency of the strongest bin in hertz, and its level in dB; for the echo check's display and for tests. */
  peak(): { hertz: number; db: number } {
    const bins = new Float32Array(this.#analyser.frequencyBinCount);
    this.#analyser.getFloatFrequencyData(bins);
    let best = 0;
    for (let n = 1; n < bins.length; n++) if ((bins[n] ?? -200) > (bins[best] ?? -200)) best = n;
    return { hertz: (best * this.#analyser.context.sampleRate) / this.#analyser.fftSize, db: bins[best] ?? -200 };
  }

  /** Stops listening. */
  close(): void {
    this.#source.disconnect();
    this.#analyser.disconnect();
  }
}
