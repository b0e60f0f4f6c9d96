/** A tinyclap bundle in a browser or in Node.js (18 and later). Sound is always one channel, Float32Array in [-1, 1]. */

export interface Prediction {
  label: string;
  /** To the label's vector. */
  cosine: number;
  /** Among the labels that are asked for. */
  probability: number;
  /** Share of other sounds to which no label fits as well; null where the bundle cannot tell. */
  score: number | null;
}

export interface Answer {
  /** "unknown" where no label reaches the threshold: the predictions are then the nearest. */
  outcome: "label" | "unknown" | "silence";
  /** Of the loudest window, dB of full scale. */
  levelDbfs: number;
  /** Best first; none for silence. */
  predictions: Prediction[];
  threshold: number | null;
}

export interface TimedAnswer extends Answer {
  /** Seconds of sound so far. */
  timeS: number;
}

export interface Judging {
  /** Labels in an answer, at most; 5. */
  topK?: number;
  /** Score that a label must reach, between 0 and 1; null for no demand (0.95 for a label alone). */
  threshold?: number | null;
  /** Quieter sounds are silence; -70. */
  silenceDbfs?: number;
  /** Judge each label on its own, and give those alone that reach the threshold. */
  multiLabel?: boolean;
  /** Templates with {}, over which each label's vector is the mean; null for the bundle's own. */
  prompts?: string[] | null;
}

export interface EmbeddedWindow {
  startS: number;
  endS: number;
  /** Of the whole sound. */
  lengthS: number;
  embedding: Float32Array;
  levelDbfs: number;
}

export interface LabelTable {
  labels: string[];
  /** Unit vectors. */
  vectors: Float32Array[];
}

export interface Judge {
  readonly table: LabelTable;
  isSilence(levelDbfs: number): boolean;
  silence(levelDbfs: number): Answer;
  answer(embedding: Float32Array, levelDbfs: number): Answer;
}

export class Bundle {
  /**
   * Load a bundle.
   * @param folder of bundle.json; the one beside this module by default.
   * @param options onProgress gets a share, 0 to 1.
   */
  static load(folder?: string | URL, options?: { onProgress?: (share: number) => void }): Promise<Bundle>;

  readonly name: string;
  /** What bundle.json says. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** Hz; sound of other rates is resampled. */
  readonly sampleRate: number;
  readonly windowSamples: number;
  readonly embedDim: number;
  /** The labels of the bundle's table. */
  readonly labels: string[];
  /** Whether any other labels can be given too. */
  readonly hasWords: boolean;

  /** One window at the bundle's rate to its unit vector. */
  encode(window: Float32Array): Promise<Float32Array>;
  /** A sound of any length and rate to one unit vector; `onWindow` sees each window, and ends it with false. */
  embed(
    samples: Float32Array,
    sampleRate: number,
    options?: { hopS?: number | null; onWindow?: (window: EmbeddedWindow) => unknown },
  ): Promise<{ embedding: Float32Array; levelDbfs: number }>;
  /** Texts to unit vectors; throws a TinyclapError where no word of one is known. */
  embedText(texts: string[]): Promise<Float32Array[]>;
  /** A text's token ids. */
  tokens(text: string): Promise<number[]>;
  /** Labels and their vectors; "dog | puppy" means both, and is called by the first. null: the bundle's own. */
  labelTable(labels?: string[] | null, prompts?: string[] | null): Promise<LabelTable>;
  judge(labels?: string[] | null, settings?: Judging): Promise<Judge>;
  classify(
    samples: Float32Array,
    sampleRate: number,
    labels?: string[] | null,
    settings?: Judging & { hopS?: number | null },
  ): Promise<Answer>;
  /** Live sound; `smoothing` is the weight of the past, 0 to below 1. */
  stream(labels?: string[] | null, settings?: Judging & { hopS?: number; smoothing?: number }): Promise<Stream>;
}

/** Samples so far, and the last window. */
export type LastWindow = [position: number, window: Float32Array];

export class Stream {
  /** The judge may be changed at any time. */
  judge: Judge;
  constructor(bundle: Bundle, judge: Judge, options?: { hopS?: number; smoothing?: number });
  /** The answers that a block completes: after every hop, one of the last window. */
  push(block: Float32Array, sampleRate: number): Promise<TimedAnswer[]>;
  /** When the sound ends: the answer to what is left of a hop. */
  end(): Promise<TimedAnswer[]>;
  /** `push` and `end` in two steps, so that a slow device can leave out windows. */
  take(block: Float32Array, sampleRate: number): LastWindow[];
  rest(): LastWindow[];
  answer(window: LastWindow): Promise<TimedAnswer>;
}

/** A file of any format that the browser decodes, as one channel at its own rate. Browsers only. */
export function decode(file: Blob): Promise<{ samples: Float32Array; sampleRate: number }>;

/** The microphone without echo cancellation, noise suppression and automatic gain. Browsers only. */
export function microphone(
  onBlock: (samples: Float32Array, sampleRate: number) => void,
): Promise<{ close(): Promise<void>; ended: Promise<Event>; settings: MediaTrackSettings }>;

/** Whether graphs can be run here: WebAssembly with SIMD, and streams that unpack gzip. */
export function isSupported(): boolean;
/** Channels as one: their mean, or the loudest of those that would cancel each other. */
export function mixed(channels: Float32Array[]): Float32Array;
export function resample(samples: Float32Array, from: number, to: number): Float32Array;

export class Resampler {
  constructor(from: number, to: number);
  push(block: Float32Array): Float32Array;
  end(): Float32Array;
}

/** What a user can cause; its message says what to do. */
export class TinyclapError extends Error {}
