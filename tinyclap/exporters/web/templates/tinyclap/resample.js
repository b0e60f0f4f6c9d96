// Sound at another sample rate, as soxr's quality "HQ" makes it, which tinyclap uses in Python: a sinc under Kaiser's
// window. Cutoff in parts of the lower rate's Nyquist frequency, half its length in samples of the lower rate.

const SMALL = { cutoff: 0.956872, beta: 13.04, half: 96.835 }; // of ratios up to 4, e.g. 48 to 16 kHz
const OTHER = { cutoff: 0.956872, beta: 13.71, half: 101.9 }; // of the others, e.g. 44.1 kHz, in which soxr takes two filters

export class Resampler {
  /** Sample rates in whole Hz. */
  constructor(from, to) {
    const common = divisor(from, to), low = Math.min(from, to);
    this.up = to / common;
    this.down = from / common;
    this.shape = Math.max(this.up, this.down) <= 4 ? SMALL : OTHER;
    this.scale = low / from;
    this.reach = Math.ceil(this.shape.half / this.scale); // samples on either side of a place
    this.filters = new Map(); // by phase
    this.kept = new Float32Array(this.reach); // zeros before the first sample
    this.first = -this.reach; // which sample kept[0] is
    this.total = this.made = 0;
  }

  /** The samples (Float32Array) that can be told after this block. */
  push(block) {
    const kept = new Float32Array(this.kept.length + block.length);
    kept.set(this.kept);
    kept.set(block, this.kept.length);
    this.kept = kept;
    this.total += block.length;
    return this.#until(Math.floor(((this.total - this.reach - 1) * this.up) / this.down) + 1);
  }

  /** The rest; the sound is over. */
  end() {
    const whole = this.total;
    this.push(new Float32Array(0));
    const kept = new Float32Array(this.kept.length + this.reach + 1);
    kept.set(this.kept);
    this.kept = kept;
    return this.#until(Math.floor((whole * this.up) / this.down + 0.5));
  }

  #until(count) {
    const out = new Float32Array(Math.max(0, count - this.made)), { reach } = this;
    for (let place = 0; place < out.length; place++, this.made++) {
      const phase = (this.made * this.down) % this.up, base = (this.made * this.down - phase) / this.up;
      const filter = this.#filter(phase), start = base - reach + 1 - this.first;
      let sum = 0;
      for (let tap = 0; tap < filter.length; tap++) sum += filter[tap] * this.kept[start + tap];
      out[place] = sum;
    }
    const needless = Math.floor((this.made * this.down) / this.up) - reach + 1 - this.first;
    if (needless > 0) {
      this.kept = this.kept.slice(needless);
      this.first += needless;
    }
    return out;
  }

  #filter(phase) {
    let filter = this.filters.get(phase);
    if (!filter) {
      const { cutoff, beta, half } = this.shape, whole = bessel(beta);
      filter = Float64Array.from({ length: 2 * this.reach }, (_, tap) => {
        const place = (tap - this.reach + 1 - phase / this.up) * this.scale, turn = Math.PI * cutoff * place;
        if (Math.abs(place) >= half) return 0;
        const sinc = turn === 0 ? 1 : Math.sin(turn) / turn;
        return (cutoff * sinc * this.scale * bessel(beta * Math.sqrt(1 - (place / half) ** 2))) / whole;
      });
      this.filters.set(phase, filter);
    }
    return filter;
  }
}

/** A whole sound (Float32Array) at another rate. */
export function resample(samples, from, to) {
  if (from === to) return samples;
  const resampler = new Resampler(from, to), begin = resampler.push(samples), rest = resampler.end();
  const out = new Float32Array(begin.length + rest.length);
  out.set(begin);
  out.set(rest, begin.length);
  return out;
}

/** The modified Bessel function of the first kind, of order zero. */
function bessel(x) {
  let sum = 1, term = 1;
  for (let k = 1; term > 1e-17 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}

function divisor(a, b) {
  return b ? divisor(b, a % b) : a;
}
