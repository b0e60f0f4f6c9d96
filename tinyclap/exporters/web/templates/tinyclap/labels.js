// Labels as people write them, and vectors.
import { TinyclapError } from "./error.js";

const SAME = 1e-10; // classes nearer than this in 1 - cosine are one

/** A vector at unit norm, float64. */
export function unit(vector) {
  let squares = 0;
  for (const number of vector) squares += number * number;
  const norm = Math.max(Math.sqrt(squares), 1e-12);
  return Float64Array.from(vector, (number) => number / norm);
}

export function dot(a, b) {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += a[at] * b[at];
  return sum;
}

/** Vectors' mean at unit norm. */
export function meanDirection(vectors) {
  const sum = new Float64Array(vectors[0].length);
  for (const vector of vectors) for (let at = 0; at < sum.length; at++) sum[at] += vector[at];
  return unit(sum);
}

/** "dog_bark", "DogBark" and "dog-bark" all read "dog bark". */
export function cleanLabel(name) {
  const spaced = name.replace(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, " ");
  return spaced.replace(/[_-]/g, " ").toLowerCase().split(/\s+/).filter(Boolean).join(" ");
}

/** What a label is called: "dog | puppy" is shown as dog, and means both. */
export function alternatives(label) {
  const names = label.split("|").map((name) => name.trim());
  if (names.length > 1 && names.includes("")) throw new TinyclapError(`“${label}” has nothing on one side of |`);
  return names;
}

/** Throws for labels that are empty, or that read alike. */
export function refuseAlike(names) {
  const seen = new Map();
  if (!names.length) throw new TinyclapError("no labels are given");
  for (const name of names) {
    const word = cleanLabel(name);
    if (!word) throw new TinyclapError(`“${name}” has nothing to read`);
    if (seen.has(word)) throw new TinyclapError(`“${seen.get(word)}” and “${name}” read alike; leave one out`);
    seen.set(word, name);
  }
}

/** Throws for vectors that nothing tells apart. */
export function refuseSame(names, vectors) {
  for (let one = 0; one < names.length; one++)
    for (let other = 0; other < one; other++)
      if (dot(vectors[one], vectors[other]) > 1 - SAME)
        throw new TinyclapError(`“${names[other]}” and “${names[one]}” mean the same to this bundle; leave one out`);
}
