// Does this machine compute what was exported? `node selftest.mjs`, or in a browser: (await import("./selftest.mjs")).selftest()
import { Bundle, Stream } from "./tinyclap.js";
import { read, readJson } from "./tinyclap/session.js";

const HERE = new URL("./test/", import.meta.url), FOLDER = new URL("./bundle/", import.meta.url);

/** The largest difference of each kind, and whether all are small enough. */
export async function selftest(bundle = null) {
  bundle ??= await Bundle.load(FOLDER);
  const expected = await readJson(new URL("expected.json", HERE));
  const all = new Float32Array((await read(new URL("waveforms.f32", HERE))).buffer);
  const worst = { embedding: 0, resampled: 0, level: 0, resampled_level: 0, cosine: 0, probability: 0, score: 0, text: 0, label: 0, stream: 0 }, wrong = [];
  const note = (kind, differences) => { worst[kind] = Math.max(worst[kind], ...differences.map(Math.abs)); };
  const compare = (where, answer, known) => {
    if (answer.outcome !== known.outcome) wrong.push(`${where}: ${answer.outcome}, not ${known.outcome}`);
    const names = answer.predictions.map(({ label }) => label);
    if (`${names}` !== `${known.predictions.map(({ label }) => label)}`) return void wrong.push(`${where}: other labels, ${names}`);
    for (const [row, found] of answer.predictions.entries()) {
      const other = known.predictions[row];
      for (const kind of ["cosine", "probability"]) note(kind, [found[kind] - other[kind]]);
      // A cosine's last bit may lie on the other side of one background sound.
      if (other.score !== null) note("score", [Math.max(0, Math.abs(found.score - other.score) - known.score_step)]);
    }
  };
  const samplesOf = ({ start, length }) => all.slice(start, start + length);
  for (const [number, sound] of expected.sounds.entries()) {
    const { embedding, levelDbfs } = await bundle.embed(samplesOf(sound), sound.sample_rate);
    const isOwn = sound.sample_rate === bundle.sampleRate;
    note(isOwn ? "embedding" : "resampled", minus(embedding, sound.embedding));
    note(isOwn ? "level" : "resampled_level", [levelDbfs - sound.level_dbfs]);
    for (const { labels, settings, ...known } of sound.answers)
      compare(`sound ${number}`, (await bundle.judge(labels, settings)).answer(Float32Array.from(sound.embedding), levelDbfs), known);
  }
  for (const { text, ids, embedding } of expected.texts) {
    const found = await bundle.tokens(text);
    if (`${found}` !== `${ids}`) wrong.push(`tokens of ${JSON.stringify(text)}: ${found}, not ${ids}`);
    if (embedding) note("text", minus((await bundle.embedText([text]))[0], embedding));
  }
  for (const { labels, vectors } of expected.tables)
    (await bundle.labelTable(labels)).vectors.forEach((vector, row) => note("label", minus(vector, vectors[row])));
  const { block, hop_s: hopS, sample_rate: rate, windows, ...streamed } = expected.stream, samples = samplesOf(streamed);
  const stream = new Stream(bundle, null, { hopS }), found = [];
  for (let at = 0; at < samples.length; at += block) found.push(...stream.take(samples.slice(at, at + block), rate));
  found.push(...stream.rest());
  if (`${found.map(([position]) => position)}` !== `${windows.map(({ position }) => position)}`) wrong.push("stream: other windows");
  else for (const [row, [, window]] of found.entries()) note("stream", minus(await bundle.encode(window), windows[row].embedding));
  const { limits } = expected;
  for (const [kind, limit] of Object.entries(limits))
    if (!(worst[kind] <= limit)) wrong.push(`${kind} differs by ${worst[kind].toExponential(1)}, allowed ${limit}`);
  return { passed: wrong.length === 0, wrong, ...worst, sounds: expected.sounds.length, texts: expected.texts.length };
}

function minus(one, other) {
  return Array.from(one, (number, at) => number - other[at]);
}

if (globalThis.process?.argv?.[1] && import.meta.url.endsWith(process.argv[1].split(/[\\/]/).at(-1))) {
  const found = await selftest();
  console.log(JSON.stringify(found));
  process.exitCode = found.passed ? 0 : 1;
}
