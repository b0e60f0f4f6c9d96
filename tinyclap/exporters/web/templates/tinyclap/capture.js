// Where sound comes from in a browser: files, and the microphone.
import { TinyclapError } from "./error.js";
import { mixed } from "./sound.js";

const USUAL_RATE = 48_000;
const REFUSALS = {
  NotAllowedError: "The browser does not let this page use the microphone.",
  NotFoundError: "No microphone was found.",
  NotReadableError: "The microphone is in use by another program.",
};

/** Samples of a file (Blob) of any format that the browser decodes, and their rate: the file's own where it says so. */
export async function decode(file) {
  const content = await file.arrayBuffer(), asked = rateOf(new DataView(content)) ?? USUAL_RATE;
  const context = contextOf(asked) ?? contextOf(USUAL_RATE);
  let decoded;
  try {
    decoded = await context.decodeAudioData(content);
  } catch {
    throw new TinyclapError(`This browser cannot read ${file.name ?? "this file"}: it is damaged, or no sound.`);
  }
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, number) => decoded.getChannelData(number));
  return { samples: mixed(channels), sampleRate: decoded.sampleRate };
}

function contextOf(rate) {
  try {
    return new OfflineAudioContext(1, 1, rate);
  } catch {
    return null; // a rate that the browser does not have
  }
}

/** The sample rate in the header of a WAV, FLAC, Ogg Vorbis or MP3 file; null in others. */
function rateOf(view) {
  const at = (place, text) => [...text].every((sign, n) => place + n < view.byteLength && view.getUint8(place + n) === sign.charCodeAt(0));
  if (view.byteLength < 64) return null;
  if (at(0, "RIFF") && at(8, "WAVE"))
    for (let place = 12; place + 16 < view.byteLength; place += 8 + view.getUint32(place + 4, true) + (view.getUint32(place + 4, true) % 2))
      if (at(place, "fmt ")) return view.getUint32(place + 12, true);
  if (at(0, "fLaC")) return view.getUint32(18) >>> 12;
  if (at(0, "OggS") && at(29, "vorbis")) return view.getUint32(40, true);
  let place = 0;
  if (at(0, "ID3")) place = 10 + [6, 7, 8, 9].reduce((size, n) => (size << 7) | view.getUint8(n), 0);
  if (place + 4 > view.byteLength || (view.getUint16(place) & 0xffe6) !== 0xffe2) return null; // layer III
  const version = (view.getUint8(place + 1) >> 3) & 3, rate = [44_100, 48_000, 32_000][(view.getUint8(place + 2) >> 2) & 3];
  return rate && rate / [4, NaN, 2, 1][version];
}

/** The microphone, without what telephones do to sound; `onBlock` gets samples and their rate. `close` ends it. */
export async function microphone(onBlock) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new TinyclapError("Browsers give the microphone only to pages from https:// or from this computer.");
  }
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
  } catch (error) {
    throw new TinyclapError(REFUSALS[error.name] ?? `The microphone cannot be used (${error.message}).`);
  }
  const context = new AudioContext();
  const close = async () => {
    stream.getTracks().forEach((track) => track.stop());
    if (context.state !== "closed") await context.close();
  };
  try {
    await context.audioWorklet.addModule(new URL("../worklet.js", import.meta.url));
    const blocks = new AudioWorkletNode(context, "blocks", { numberOfOutputs: 0 });
    blocks.port.onmessage = ({ data }) => onBlock(data, context.sampleRate);
    context.createMediaStreamSource(stream).connect(blocks);
    await context.resume();
  } catch (error) {
    await close();
    throw error;
  }
  const [track] = stream.getTracks();
  return { close, ended: new Promise((done) => track.addEventListener("ended", done)), settings: track.getSettings() };
}
