// Names and pieces of text, as prompt.py and small.py make them.

const WHITE = /[\s\u0085]/u, ALONE = /[\p{P}\p{N}]|[!-/:-@[-`{-~]/u; // signs and digits stand alone

/** A name in letters, digits and low lines: "School/Club Team" is school_club_team. */
export function plain(name, { signs, keywords, longestName }) {
  for (const [sign, word] of Object.entries(signs)) name = name.replaceAll(sign, word);
  // eslint-disable-next-line no-control-regex
  const ascii = name.normalize("NFKD").replace(/[^\x00-\x7f]/gu, "").toLowerCase().replaceAll("'", "");
  const trim = (text) => text.replace(/^_+|_+$/g, "");
  let words = trim(trim(ascii.replace(/[^a-z0-9]+/g, "_")).slice(0, longestName)) || "unnamed";
  if (/^[0-9]/.test(words)) words = `n_${words}`;
  return keywords.includes(words) ? `${words}_` : words;
}

/** Plain names in order; one that is taken gets the first free number. */
export function distinct(names, settings) {
  const taken = new Set();
  return names.map((name) => {
    const first = plain(name, settings);
    let choice = first;
    for (let n = 2; taken.has(choice); n++) choice = `${first}_${n}`;
    taken.add(choice);
    return choice;
  });
}

export const spoken = (column) => column.replaceAll("_", " ").trim();

/** Byte-pair pieces of lower-cased words, with the place of each in the text, in code points. */
export class Pieces {
  constructor({ vocabulary, merges }) {
    this.vocabulary = new Map(Object.entries(vocabulary));
    this.rank = new Map(merges.map((merge, rank) => [merge, rank]));
  }

  encode(text) {
    const ids = [], spans = [];
    for (const word of this.words(text)) {
      for (const [piece, begin, end] of this.merged(word)) {
        ids.push(this.vocabulary.get(piece) ?? 1); // 1 is a piece never seen
        spans.push([begin, end]);
      }
    }
    return { ids, spans };
  }

  /** Words as lists of [character, begin, end]; a character in lower case may be several. */
  words(text) {
    const words = [];
    let open = null;
    [...text].forEach((character, at) => {
      for (const one of character.toLowerCase()) {
        const letter = [one, at, at + 1];
        if (WHITE.test(one) && one !== "\ufeff") open = null;
        else if (ALONE.test(one)) { words.push([letter]); open = null; }
        else if (open) open.push(letter);
        else words.push(open = [letter]);
      }
    });
    return words;
  }

  /** The pair of the lowest rank is joined first, the leftmost of equals, until none is left. */
  merged(word) {
    let parts = word;
    for (;;) {
      let best = Infinity, place = -1;
      for (let i = 0; i + 1 < parts.length; i++) {
        const rank = this.rank.get(`${parts[i][0]} ${parts[i + 1][0]}`) ?? Infinity;
        if (rank < best) [best, place] = [rank, i];
      }
      if (place < 0) return parts;
      const joined = [parts[place][0] + parts[place + 1][0], parts[place][1], parts[place + 1][2]];
      parts = [...parts.slice(0, place), joined, ...parts.slice(place + 2)];
    }
  }
}
