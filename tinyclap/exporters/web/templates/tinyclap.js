// A tinyclap bundle in a browser or in Node: sounds to embeddings and labels, as `tinyclap.Bundle` does in Python.
import { decode, microphone } from "./tinyclap/capture.js";
import { TinyclapError } from "./tinyclap/error.js";
import { Background, Judge } from "./tinyclap/judge.js";
import { alternatives, cleanLabel, meanDirection, refuseAlike, refuseSame, unit } from "./tinyclap/labels.js";
import { resample, Resampler } from "./tinyclap/resample.js";
import { isSupported, read, readJson, Session } from "./tinyclap/session.js";
import { FAINTEST, inDbfs, mixed, refuseUnusable, rms, windowsOf } from "./tinyclap/sound.js";
import { Stream } from "./tinyclap/stream.js";
import { Words } from "./tinyclap/words.js";

const FORMAT = "tinyclap-web";

export class Bundle {
  /** Load the bundle of a folder; see tinyclap.d.ts, for all that is public here. */
  static async load(folder = new URL("./bundle/", import.meta.url), { onProgress = () => {} } = {}) {
    if (!isSupported()) throw new TinyclapError("This browser has no WebAssembly with SIMD; versions of 2023 and later have it.");
    const base = new URL(folder, globalThis.location?.href ?? import.meta.url), facts = await readJson(new URL("bundle.json", base));
    if (facts.format !== FORMAT) throw new TinyclapError(`${base} is no bundle for the web; \`tinyclap export --web\` writes one`);
    let done = 0;
    const progress = (bytes) => onProgress(Math.min(1, (done += bytes) / facts.first_bytes));
    const [session, rows, background] = await Promise.all([
      Session.open(new URL(facts.graph, base), progress),
      facts.labels.length ? read(new URL("labels.f32", base), progress) : new Uint8Array(),
      facts.background ? read(new URL("background.i8", base), progress) : null,
    ]);
    return new Bundle(base, facts, session, rows, background);
  }

  #base; #facts; #session; #table; #text = null;

  constructor(base, facts, session, rows, background) {
    this.#base = base;
    this.#facts = facts;
    this.#session = session;
    this.name = facts.name;
    this.facts = facts;
    this.sampleRate = facts.sample_rate;
    this.windowSamples = facts.window_samples;
    this.embedDim = facts.dim;
    this.#table = { labels: facts.labels, vectors: vectors(new Float32Array(rows.buffer), facts.dim) };
    this.background = background && this.#unpacked(new Int8Array(background.buffer), facts.background);
  }

  get labels() {
    return [...this.#facts.labels];
  }

  get hasWords() {
    return this.#facts.text !== null;
  }

  /** One window (Float32Array at the bundle's rate) to its unit vector. */
  async encode(window) {
    return this.#kept(await this.#session.run({ waveform: [window, [1, window.length]] }));
  }

  /** A sound of any length and rate to one unit vector, and the level of its loudest window. */
  async embed(samples, sampleRate, { hopS = null, onWindow = () => {} } = {}) {
    refuseUnusable(samples, sampleRate);
    const own = resample(samples, sampleRate, this.sampleRate), total = new Float64Array(this.embedDim);
    const hop = hopS === null ? this.windowSamples : Math.round(hopS * this.sampleRate);
    if (!(hop >= 1 && hop <= this.windowSamples)) throw new TinyclapError(`hopS is ${hopS}: above 0, at most a window`);
    let loudest = 0;
    for (const [start, end, window] of windowsOf(own, this.windowSamples, hop)) {
      const level = rms(window), embedding = await this.encode(window);
      for (let at = 0; at < total.length; at++) total[at] += (level + FAINTEST) * embedding[at];
      loudest = Math.max(loudest, level);
      const times = { startS: start / this.sampleRate, endS: end / this.sampleRate };
      if ((await onWindow({ ...times, embedding, levelDbfs: inDbfs(level), lengthS: own.length / this.sampleRate })) === false) break;
    }
    return { embedding: Float32Array.from(unit(total)), levelDbfs: inDbfs(loudest) };
  }

  /** Texts to unit vectors. */
  async embedText(texts) {
    const words = await this.#words(), found = [];
    for (const text of texts) {
      const { ids, isKnown } = words.reader.read(text);
      if (!isKnown) throw new TinyclapError(`“${text}” is not among the words this bundle knows; say it in other words`);
      const row = BigInt64Array.from(ids, BigInt), shape = [1, ids.length];
      found.push(this.#kept(await words.session.run({ input_ids: [row, shape], attention_mask: [row.map(() => 1n), shape] })));
    }
    return found;
  }

  /** A text's token ids. */
  async tokens(text) {
    return (await this.#words()).reader.read(text).ids;
  }

  /** Labels and their unit vectors: of the bundle's table where it has them all, else of its words. */
  async labelTable(labels = null, prompts = null) {
    if (labels === null && !this.#facts.labels.length) throw new TinyclapError("this bundle has no labels of its own; give some");
    if (labels === null && prompts === null) return this.#table;
    const meant = (labels ?? this.#facts.labels).map(alternatives), names = meant.map(([first]) => first);
    refuseAlike(meant.flat());
    if (prompts === null && meant.every((each) => each.length === 1)) {
      const rows = new Map(this.#facts.labels.map((label, row) => [cleanLabel(label), row]));
      const found = names.map((name) => rows.get(cleanLabel(name)));
      if (!found.includes(undefined)) return { labels: names, vectors: found.map((row) => this.#table.vectors[row]) };
    }
    const { reader } = await this.#words();
    const unknown = meant.flat().find((name) => !reader.read(name).isKnown);
    if (unknown !== undefined) throw new TinyclapError(`“${unknown}” is not among the words this bundle knows; say it in other words`);
    const means = [];
    for (const name of meant.flat()) {
      const texts = (prompts ?? this.#facts.prompts).map((prompt) => prompt.replaceAll("{}", () => name.trim()));
      means.push(meanDirection((await this.embedText(texts)).map(unit)));
    }
    refuseSame(meant.flat(), means);
    const grouped = meant.map((each) => means.splice(0, each.length)).map((each) => (each.length > 1 ? meanDirection(each) : each[0]));
    return { labels: names, vectors: grouped.map((vector) => Float32Array.from(vector)) };
  }

  /** What makes answers of embeddings. */
  async judge(labels = null, { prompts = null, ...settings } = {}) {
    return new Judge(await this.labelTable(labels, prompts), this.#facts.logit_scale, this.background, settings);
  }

  /** The labels that fit a sound best, best first. */
  async classify(samples, sampleRate, labels = null, { hopS = null, ...settings } = {}) {
    const judge = await this.judge(labels, settings), { embedding, levelDbfs } = await this.embed(samples, sampleRate, { hopS });
    return judge.answer(embedding, levelDbfs);
  }

  /** Live sound: `await stream.push(block, sampleRate)` gives an answer after every hop. */
  async stream(labels = null, { hopS = 1, smoothing = 0, ...settings } = {}) {
    return new Stream(this, await this.judge(labels, settings), { hopS, smoothing });
  }

  /** The dimensions that are kept of a vector, at unit norm again. */
  #kept(vector) {
    const { start, dim, full_dim: full } = this.#facts;
    return dim === full ? Float32Array.from(vector) : Float32Array.from(unit(vector.subarray(start, start + dim)));
  }

  #unpacked(numbers, { sounds, class_of: classOf }) {
    const rows = vectors(numbers, this.#facts.full_dim).map((row) => this.#kept(Float32Array.from(unit(row))));
    return new Background(rows.slice(0, sounds), rows.slice(sounds), classOf);
  }

  /** The words, loaded when they are first asked for. */
  #words() {
    if (!this.hasWords) throw new TinyclapError(`this bundle knows only its own labels: ${this.labels.join(", ")}`);
    this.#text ??= (async () => {
      const { text } = this.#facts, place = (name) => new URL(name, this.#base);
      const [session, facts] = await Promise.all([Session.open(place(text.graph)), readJson(place("words.json"))]);
      return { session, reader: new Words(facts) };
    })();
    this.#text.catch(() => { this.#text = null; });
    return this.#text;
  }
}

/** Rows of a matrix. */
function vectors(numbers, dim) {
  return Array.from({ length: numbers.length / dim }, (_, row) => numbers.subarray(row * dim, (row + 1) * dim));
}

export { decode, isSupported, microphone, mixed, Resampler, resample, Stream, TinyclapError };
