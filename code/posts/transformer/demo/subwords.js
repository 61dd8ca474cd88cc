// Byte-pair encoding as the tokenizers library does it, from the file that training wrote.

const MARK = "▁"; // where a word begins
const PUNCTUATION = "!-/:-@\\[-`{-~\\p{P}"; // of ASCII all signs, else what Unicode calls so
const APART = new RegExp(`[${PUNCTUATION}]|[^${PUNCTUATION}]+`, "gu");

export class Subwords {
  constructor({ model, added_tokens: special }) {
    this.ids = new Map(Object.entries(model.vocab));
    this.pieces = [...this.ids].sort(([, a], [, b]) => a - b).map(([piece]) => piece);
    this.ranks = new Map(model.merges.map((pair, rank) => [pair.join(" "), rank])); // no piece has a space
    this.special = special.map(({ content }) => content);
    this.unknown = this.ids.get(model.unk_token);
  }

  /** A text as token numbers, without any for its end. The names of special tokens in it stand for them. */
  encode(text) {
    const parts = text.split(new RegExp(`(${this.special.join("|")})`));
    return parts.flatMap((part, n) => n % 2 ? [this.ids.get(part)] : this.encodePlain(part));
  }

  encodePlain(text) {
    if (!text) return [];
    const marked = text.normalize("NFC").replaceAll(" ", MARK);
    const words = (marked.startsWith(MARK) ? marked : MARK + marked).match(/▁[^▁]*/g);
    const pieces = words.flatMap((word) => word.match(APART)).flatMap((part) => this.merge([...part]));
    return pieces.map((piece) => this.ids.get(piece) ?? this.unknown);
  }

  /** Join the pair that was learnt first, the leftmost of several, until no pair was learnt. */
  merge(pieces) {
    for (;;) {
      let best = Infinity, at = 0;
      for (let i = 0; i + 1 < pieces.length; i++) {
        const rank = this.ranks.get(`${pieces[i]} ${pieces[i + 1]}`);
        if (rank < best) [best, at] = [rank, i];
      }
      if (best === Infinity) return pieces;
      pieces.splice(at, 2, pieces[at] + pieces[at + 1]);
    }
  }

  /** Token numbers as text, special tokens left out. */
  decode(ids) {
    const pieces = ids.map((id) => this.pieces[id]).filter((piece) => !this.special.includes(piece));
    return pieces.map((piece, n) => piece.replaceAll(MARK, n ? " " : "")).join("");
  }
}
