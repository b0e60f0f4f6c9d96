// BERT's tokenizer, WordPiece: the same ids as tinyclap reads in Python. All tables come with the bundle.
import { TinyclapError } from "./error.js";

export class Words {
  /** `facts` is the bundle's words.json. */
  constructor(facts) {
    const marks = ranges(facts.punctuation), spaces = ranges(facts.spaces);
    this.facts = facts;
    this.ids = new Map(Object.entries(facts.vocabulary));
    this.longestPiece = Math.max(...Array.from(this.ids.keys(), (piece) => piece.length));
    this.wordless = new Set(facts.wordless);
    this.removed = new RegExp(`[${ranges(facts.removed)}]`, "gu");
    this.chinese = new RegExp(`[${ranges(facts.chinese)}]`, "gu");
    this.marks = new RegExp(`[${ranges(facts.marks)}]`, "gu");
    this.word = new RegExp(`[^${marks}${spaces}]+|[${marks}]`, "gu");
    const added = facts.added.map((token) => token.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
    this.added = new RegExp(`(${added.join("|") || "(?!)"})`, "u");
  }

  /** A text's token ids, those around it included, whether it was cut, and whether any word of it is known. */
  read(text) {
    const own = this.#own(text), { before, after, max_tokens: most } = this.facts;
    const room = Math.max(0, most - before.length - after.length);
    const isKnown = text.trim() !== "" && own.some((id) => !this.wordless.has(id));
    return { ids: [...before, ...own.slice(0, room), ...after], isCut: own.length > room, isKnown };
  }

  #own(text) {
    if (!/^\P{Surrogate}*$/u.test(text)) throw new TinyclapError("half of a surrogate pair is no text");
    return text.split(this.added).flatMap((part, place) =>
      place % 2 ? [this.ids.get(part)] : (this.#normalised(part).match(this.word) ?? []).flatMap((word) => this.#pieces(word)));
  }

  #normalised(text) {
    const { clean, split_chinese: splits, strip_accents: strips, lowercase } = this.facts;
    if (clean) text = text.replace(this.removed, "");
    if (splits) text = text.replace(this.chinese, " $& ");
    if (strips) text = text.normalize("NFD").replace(this.marks, "");
    return lowercase ? text.replaceAll("\u03a3", "\u03c3").toLowerCase() : text;
  }

  #pieces(word) {
    const signs = Array.from(word), { longest_word: longest, prefix, unknown } = this.facts, found = [];
    if (signs.length > longest) return [unknown];
    for (let start = 0; start < signs.length; ) {
      let end = Math.min(signs.length, start + this.longestPiece), id;
      for (; end > start; end--) {
        id = this.ids.get((start ? prefix : "") + signs.slice(start, end).join(""));
        if (id !== undefined) break;
      }
      if (id === undefined) return [unknown];
      found.push(id);
      start = end;
    }
    return found;
  }
}

/** A table of code points, "21-2f 3a", as the inside of a regular expression's brackets. */
function ranges(table) {
  return table.trim().split(/\s+/).map((span) => span.split("-").map((code) => `\\u{${code}}`).join("-")).join("");
}
