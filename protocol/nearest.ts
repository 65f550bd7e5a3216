/** Longer words are no misspelling of a key, and the distance costs the product of both lengths. */
const LONGEST = 64;

/**
 * The word of `known` that `word` most likely stands for, or undefined when none is near.
 *
 * Near is: equal but for case and punctuation, up to a third of the letters wrong, or the one a beginning of
 * the other (from three letters on; from five on with one letter wrong).
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > LONGEST) return undefined;
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const distance = likeness(plain(word), plain(candidate));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, "");
}

/** The edit distance where it is near, infinity where it is not. */
function likeness(word: string, candidate: string): number {
  const longest = Math.max(word.length, candidate.length);
  if (word === "") return Number.POSITIVE_INFINITY;
  const distance = editDistance(word, candidate);
  if (distance <= Math.max(longest < 3 ? 0 : 1, Math.floor(longest / 3))) return distance;
  const [short, long] = word.length < candidate.length ? [word, candidate] : [candidate, word];
  const begins = short.length >= 3 && long.startsWith(short);
  const nearlyBegins = short.length >= 5 && editDistance(short, long.slice(0, short.length + 1)) <= 1;
  return begins || nearlyBegins ? distance : Number.POSITIVE_INFINITY;
}

/** Letters to insert, remove, replace or swap with their neighbour (optimal string alignment distance). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = at(last, column - 1) + (a[row - 1] === b[column - 1] ? 0 : 1);
      let cost = Math.min(at(last, column) + 1, at(current, column - 1) + 1, replaced);
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) cost = Math.min(cost, at(beforeLast, column - 2) + 1);
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return at(last, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
