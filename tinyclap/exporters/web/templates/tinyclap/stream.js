// Live sound: blocks of samples go in, answers come out.
import { unit } from "./labels.js";
import { Resampler } from "./resample.js";
import { inDbfs, LastWindows, rms } from "./sound.js";

export class Stream {
  /** Of a bundle and a judge of it; see tinyclap.d.ts. */
  constructor(bundle, judge, { hopS = 1, smoothing = 0 } = {}) {
    Object.assign(this, { bundle, judge, smoothing });
    this.windows = new LastWindows(bundle.windowSamples, Math.max(1, Math.round(hopS * bundle.sampleRate)));
    this.past = null;
  }

  /** The answers that a block completes. */
  async push(block, sampleRate) {
    return this.#answers(this.take(block, sampleRate));
  }

  /** The answer to what is left of a hop. */
  async end() {
    return this.#answers(this.rest());
  }

  /** As `push`, without an answer yet: what `answer` takes, to leave out what would come too late. */
  take(block, sampleRate) {
    if (sampleRate === this.bundle.sampleRate) return this.windows.push(block);
    this.resampler ??= new Resampler(sampleRate, this.bundle.sampleRate);
    return this.windows.push(this.resampler.push(block));
  }

  /** As `end`, without an answer yet. */
  rest() {
    return [...(this.resampler ? this.windows.push(this.resampler.end()) : []), ...this.windows.end()];
  }

  async answer([position, window]) {
    const timeS = position / this.bundle.sampleRate, levelDbfs = inDbfs(rms(window));
    if (this.judge.isSilence(levelDbfs)) {
      this.past = null;
      return { timeS, ...this.judge.silence(levelDbfs) };
    }
    const now = await this.bundle.encode(window), past = this.past ?? Float64Array.from(now);
    this.past = past.map((number, at) => this.smoothing * number + (1 - this.smoothing) * now[at]);
    return { timeS, ...this.judge.answer(unit(this.past), levelDbfs) };
  }

  async #answers(windows) {
    const answers = [];
    for (const window of windows) answers.push(await this.answer(window));
    return answers;
  }
}
