// From an embedding and a level to an answer: which labels, none of them, or silence. As tinyclap's judge.py has it.
import { TinyclapError } from "./error.js";
import { dot } from "./labels.js";

const DEFAULT_THRESHOLD = 0.95; // where a label is judged alone
export const SILENCE_BELOW_DBFS = -70;

/** How sounds that are none of the labels look: unit vectors of sounds and classes, and which sound is of which class. */
export class Background {
  constructor(sounds, classes, classOf) {
    this.sounds = sounds;
    const usual = classes.map((one) => this.usual(one)), found = [];
    sounds.forEach((sound, row) => {
      if (classOf[row] < 0) return;
      classes.forEach((one, number) => {
        if (number !== classOf[row]) found.push(dot(sound, one) - usual[number]);
      });
    });
    this.byChance = Float64Array.from(found).sort();
  }

  /** The median cosine of a label's vector to the sounds. */
  usual(label) {
    const all = Float64Array.from(this.sounds, (sound) => dot(sound, label)).sort(), middle = all.length >> 1;
    return all.length % 2 ? all[middle] : (all[middle - 1] + all[middle]) / 2;
  }

  /** Of pairs of a sound and a class that is not its own, the share with a smaller excess. */
  shareBelow(excess) {
    let low = 0, high = this.byChance.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.byChance[middle] < excess) low = middle + 1;
      else high = middle;
    }
    return low / (this.byChance.length + 1);
  }

  excessAt(share) {
    const count = Math.ceil(share * (this.byChance.length + 1));
    return this.byChance[Math.min(Math.max(count, 1), this.byChance.length) - 1];
  }

  get largestShare() {
    return this.byChance.length / (this.byChance.length + 1);
  }
}

export class Judge {
  constructor(table, logitScale, background, { topK = 5, threshold = null, silenceDbfs = SILENCE_BELOW_DBFS, multiLabel = false } = {}) {
    Object.assign(this, { table, logitScale, background, topK, silenceDbfs, multiLabel });
    this.alone = multiLabel || table.labels.length === 1;
    this.compared = multiLabel ? 1 : table.labels.length;
    this.least = threshold ?? (this.alone && background ? DEFAULT_THRESHOLD : 0);
    this.usual = table.vectors.map((vector) => (background ? background.usual(vector) : 0));
    this.#refuse(threshold);
  }

  #refuse(threshold) {
    if (threshold !== null && !(threshold > 0 && threshold < 1)) throw new TinyclapError("a threshold lies between 0 and 1");
    if (!this.background) {
      if (threshold !== null || this.multiLabel) throw new TinyclapError("this bundle has no background sounds to judge by");
      return;
    }
    const most = this.background.largestShare ** this.compared;
    if (this.least > most) throw new TinyclapError(`with ${this.compared} labels, thresholds go up to ${Math.floor(1e4 * most) / 1e4}`);
  }

  isSilence(levelDbfs) {
    return levelDbfs < this.silenceDbfs;
  }

  silence(levelDbfs) {
    return { outcome: "silence", levelDbfs, predictions: [], threshold: this.least || null };
  }

  /** The answer to a sound with this unit vector and level. */
  answer(embedding, levelDbfs) {
    if (this.isSilence(levelDbfs)) return this.silence(levelDbfs);
    const { table, background, least } = this;
    const cosines = table.vectors.map((vector) => dot(vector, embedding));
    const scores = cosines.map((cosine, row) => (background ? background.shareBelow(cosine - this.usual[row]) ** this.compared : 0));
    const keys = least ? cosines.map((cosine, row) => cosine - this.usual[row]) : cosines;
    const order = [...keys.keys()].sort((one, other) => keys[other] - keys[one] || one - other);
    const chosen = order.filter((row) => !this.multiLabel || scores[row] >= least).slice(0, this.topK);
    const shares = this.#probabilities(cosines);
    const predictions = chosen.map((row) => ({
      label: table.labels[row], cosine: cosines[row], probability: shares[row], score: background ? scores[row] : null,
    }));
    const known = chosen.length > 0 && scores[chosen[0]] >= least;
    return { outcome: known ? "label" : "unknown", levelDbfs, predictions, threshold: least || null };
  }

  #probabilities(cosines) {
    if (!this.alone) return softmax(cosines.map((cosine) => this.logitScale * cosine));
    const rival = this.background ? this.background.excessAt(this.least) : 0;
    return cosines.map((cosine, row) => softmax([this.logitScale * (cosine - this.usual[row]), this.logitScale * rival])[0]);
  }
}

function softmax(logits) {
  const most = Math.max(...logits), odds = logits.map((logit) => Math.exp(logit - most));
  const sum = odds.reduce((total, one) => total + one, 0);
  return odds.map((one) => one / sum);
}
