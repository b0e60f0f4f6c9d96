// Samples on their way to the network: one channel, levels, and the windows that it gets.
import { TinyclapError } from "./error.js";

const OPPOSITE = 0.05; // power of the mean over that of the channels, where they cancel
const LOWEST_DBFS = -180, SHORTEST_S = 0.01;
const SPARE = 500; // a rest of less than this part of a window is no window of its own
export const FAINTEST = 1e-6;

/** Channels as one: their mean, or the loudest of those that would cancel each other. */
export function mixed(channels) {
  if (channels.length === 1) return channels[0];
  const length = channels[0].length, mean = new Float32Array(length), powers = channels.map(() => 0);
  let power = 0;
  for (let at = 0; at < length; at++) {
    let sum = 0;
    channels.forEach((channel, number) => {
      sum += channel[at];
      powers[number] += channel[at] ** 2;
    });
    mean[at] = sum / channels.length;
    power += mean[at] ** 2;
  }
  const together = powers.reduce((sum, one) => sum + one, 0) / channels.length;
  return together > 0 && power < OPPOSITE * together ? channels[powers.indexOf(Math.max(...powers))] : mean;
}

/** Throws for samples of which nothing can be computed. */
export function refuseUnusable(samples, rate) {
  if (!(samples instanceof Float32Array)) throw new TinyclapError("samples must be a Float32Array in [-1, 1], of one channel");
  if (!Number.isInteger(rate) || rate < 1) throw new TinyclapError(`the sample rate is ${rate}; give whole Hz`);
  if (samples.length < SHORTEST_S * rate) throw new TinyclapError("the sound is shorter than 10 ms");
  if (!samples.every(Number.isFinite)) throw new TinyclapError("the sound holds NaN or infinite samples");
}

/** Root mean square of samples about their mean. */
export function rms(samples) {
  let sum = 0, squares = 0;
  for (const sample of samples) sum += sample;
  const mean = sum / samples.length;
  for (const sample of samples) squares += (sample - mean) ** 2;
  return samples.length ? Math.sqrt(squares / samples.length) : 0;
}

/** In dB of full scale. */
export function inDbfs(level) {
  return level > 0 ? Math.max(LOWEST_DBFS, 20 * Math.log10(level)) : LOWEST_DBFS;
}

/** The samples cut or repeated to this length. */
export function fit(samples, length) {
  if (samples.length >= length) return samples.slice(0, length);
  const out = new Float32Array(length);
  for (let at = 0; at < length; at += samples.length) out.set(samples.subarray(0, Math.min(samples.length, length - at)), at);
  return out;
}

/** The windows of a sound, [first sample, the one behind the last, samples]; the last one is aligned to the end. */
export function* windowsOf(samples, window, hop = window) {
  let end = 0;
  for (let start = 0; start + window <= samples.length; start += hop) {
    end = start + window;
    yield [start, end, samples.slice(start, end)];
  }
  if (end === 0 || samples.length - end > Math.floor(window / SPARE)) {
    const start = Math.max(0, samples.length - window);
    yield [start, samples.length, fit(samples.subarray(start), window)];
  }
}

/** Of a stream, after every `hop` samples the last window. */
export class LastWindows {
  constructor(window, hop) {
    this.window = window;
    this.hop = hop;
    this.recent = new Float32Array(0);
    this.position = 0;
    this.due = hop;
  }

  /** What a block completes: [samples so far, the last window], most often none or one. */
  push(block) {
    const found = [];
    for (let rest = block; rest.length; ) {
      const taken = rest.subarray(0, this.due - this.position);
      rest = rest.subarray(taken.length);
      this.#append(taken);
      this.position += taken.length;
      if (this.position === this.due) {
        found.push([this.position, fit(this.recent, this.window)]);
        this.due += this.hop;
      }
    }
    return found;
  }

  /** When the stream ends: once more for what is left of a hop. */
  end() {
    const left = this.position - (this.due - this.hop);
    const counts = left > Math.floor(this.hop / SPARE) || (this.position > 0 && this.position < this.hop);
    return counts ? [[this.position, fit(this.recent, this.window)]] : [];
  }

  #append(block) {
    const length = Math.min(this.window, this.recent.length + block.length), kept = new Float32Array(length);
    const added = block.subarray(Math.max(0, block.length - length));
    kept.set(this.recent.subarray(this.recent.length - (length - added.length)));
    kept.set(added, length - added.length);
    this.recent = kept;
  }
}
