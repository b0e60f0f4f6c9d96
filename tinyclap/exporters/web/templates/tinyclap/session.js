// Files of the folder, and ONNX Runtime's sessions. Nothing comes from anywhere else.
import * as ort from "../vendor/onnxruntime-web/ort.wasm.bundle.min.mjs";
import { TinyclapError } from "./error.js";

const RUNTIME = new URL("../vendor/onnxruntime-web/ort-wasm-simd-threaded.wasm.gz", import.meta.url);
const GZIP = [0x1f, 0x8b];
// A module with one instruction of 128 bits.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
let started = null, last = Promise.resolve();

/** A file as Uint8Array; `progress` gets the bytes of each piece as they come. */
export async function read(url, progress = () => {}) {
  if (url.protocol === "file:") { // Node's fetch does not read files
    const { readFile } = await import(/* webpackIgnore: true */ "node:fs/promises");
    return new Uint8Array(await readFile(url));
  }
  const response = await fetch(url);
  if (!response.ok) throw new TinyclapError(`${url} cannot be read (${response.status}); copy the whole folder again`);
  const pieces = [];
  for (let reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    progress(value.length);
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

export async function readJson(url) {
  return JSON.parse(new TextDecoder().decode(await read(url)));
}

/** What a file holds that is a gzip, or that the server has unpacked already. */
async function unpacked(bytes) {
  if (!GZIP.every((byte, at) => bytes[at] === byte)) return bytes;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Whether graphs can be run here at all. */
export function isSupported() {
  return typeof WebAssembly === "object" && typeof DecompressionStream === "function" && WebAssembly.validate(new Uint8Array(SIMD));
}

/** Make ONNX Runtime ready, once for all sessions. */
function start(progress) {
  started ??= (async () => {
    if (!isSupported()) throw new TinyclapError("this browser has no WebAssembly with SIMD; a version of 2023 or later has it");
    ort.env.wasm.wasmBinary = (await unpacked(await read(RUNTIME, progress))).buffer;
    ort.env.wasm.numThreads = 1; // more need a page that is crossOriginIsolated, which most hosts cannot give
    ort.env.logLevel = "error";
  })();
  started.catch(() => { started = null; }); // the next call tries again
  return started;
}

/** One after the other: the runtime computes one thing at a time. */
function inTurn(work) {
  const done = last.then(work);
  last = done.catch(() => {});
  return done;
}

export class Session {
  /** The graph of this file, ready to run. */
  static async open(url, progress = () => {}) {
    const [bytes] = await Promise.all([read(url, progress), start(progress)]);
    const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };
    return new Session(await inTurn(() => ort.InferenceSession.create(bytes, options)));
  }

  constructor(session) {
    this.session = session;
  }

  /** The one output (Float32Array) for inputs by name: arrays and their shapes; BigInt64Array is int64. */
  run(inputs) {
    return inTurn(async () => {
      const tensors = Object.entries(inputs).map(([name, [data, shape]]) =>
        [name, new ort.Tensor(data instanceof Float32Array ? "float32" : "int64", data, shape)]);
      const outputs = await this.session.run(Object.fromEntries(tensors)), [output] = Object.values(outputs);
      if (!output.data.every(Number.isFinite)) throw new TinyclapError("the network computes what are no numbers: its file is damaged");
      return output.data;
    });
  }
}
