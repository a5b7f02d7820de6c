/** Short sounds for the agent's ear only, made here: nothing is fetched. About -18 dBFS. */

/** Names of the sounds. */
export type Tone = "call" | "lost" | "reminder" | "key";

/** A note: hertz, start and length in milliseconds. */
type Note = readonly [hertz: number, startMs: number, lengthMs: number];

const TONES: Record<Tone, readonly Note[]> = {
  // Two rising notes: somebody is there. Before the first word, and gone before it.
  call: [
    [660, 0, 90],
    [880, 90, 90],
  ],
  lost: [
    [440, 0, 140],
    [330, 140, 180],
  ],
  reminder: [[520, 0, 160]],
  key: [[770, 0, 60]],
};

const LEVEL = 0.125;
const RAMP_S = 0.008;

/** Plays a sound. */
export function play(context: AudioContext, tone: Tone): void {
  for (const [hertz, startMs, lengthMs] of TONES[tone]) {
    const from = context.currentTime + startMs / 1_000;
    const until = from + lengthMs / 1_000;
    const oscillator = context.createOscillator();
    const gain = context.createGain();
    oscillator.frequency.value = hertz;
    // Without a ramp each note begins and ends with a click.
    gain.gain.setValueAtTime(0, from);
    gain.gain.linearRampToValueAtTime(LEVEL, from + RAMP_S);
    gain.gain.setValueAtTime(LEVEL, until - RAMP_S);
    gain.gain.linearRampToValueAtTime(0, until);
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(from);
    oscillator.stop(until);
  }
}

/** A steady tone in place of a microphone, for machines without one and for tests. */
export class TestTone {
  readonly stream: MediaStream;
  readonly #oscillator: OscillatorNode;

  constructor(context: AudioContext, hertz = 600, level = 0.25) {
    const out = context.createMediaStreamDestination();
    const gain = context.createGain();
    gain.gain.value = level;
    this.#oscillator = context.createOscillator();
    this.#oscillator.frequency.value = hertz;
    this.#oscillator.connect(gain).connect(out);
    this.#oscillator.start();
    this.stream = out.stream;
  }

  /** Another pitch, from now on. */
  set hertz(hertz: number) {
    this.#oscillator.frequency.value = hertz;
  }

  /** Silence. */
  stop(): void {
    this.#oscillator.stop();
    for (const track of this.stream.getTracks()) track.stop();
  }
}
