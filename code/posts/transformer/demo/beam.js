// Beam search as in decode.py: the best finished hypothesis under log p / length^α.

/** The n likeliest tokens of one row of logits, likeliest first: [token, log-probability] each. */
function likeliest(logits, n) {
  const best = [];
  let largest = -Infinity, sum = 0;
  for (const value of logits) if (value > largest) largest = value;
  logits.forEach((value, token) => {
    sum += Math.exp(value - largest);
    if (best.length === n && value <= best[n - 1][1]) return;
    let place = best.length;
    while (place && best[place - 1][1] < value) place--;
    best.splice(place, 0, [token, value]);
    best.length = Math.min(best.length, n);
  });
  return best.map(([token, value]) => [token, value - largest - Math.log(sum)]);
}

/**
 * The best hypothesis: {tokens, score, maps}, `end` left out of the tokens and not of the maps.
 * `step(tokens, parents)` takes the newest token of each row and the row that it follows in the step before; it resolves
 * to `logits` and `map`, functions of the row.
 */
export async function beamSearch(step, { start, end, beam, length_penalty: alpha }, limit) {
  let live = [{ tokens: [], log_p: 0, maps: [], row: 0 }], best = null, finished = 0;
  for (let length = 1; ; length++) {
    const { logits, map } = await step(live.map(({ tokens }) => tokens.at(-1) ?? start), live.map(({ row }) => row));
    const candidates = live.flatMap(({ log_p }, row) =>
      likeliest(logits(row), 2 * beam).map(([token, more]) => ({ row, token, log_p: log_p + more })));
    candidates.sort((a, b) => b.log_p - a.log_p);
    const grown = candidates.slice(0, 2 * beam).map(({ row, token, log_p }, rank) => {
      const { tokens, maps } = live[row], ended = token === end;
      const score = log_p / length ** alpha;
      return { row, log_p, score, ended, rank, tokens: ended ? tokens : [...tokens, token], maps: [...maps, map(row)] };
    });
    for (const one of grown.filter(({ ended, rank }) => ended && rank < beam)) {
      finished++;
      if (!best || one.score > best.score) best = one;
    }
    live = grown.filter(({ ended }) => !ended).slice(0, beam);
    if (finished >= beam || length === limit) return best ?? live[0];
  }
}
