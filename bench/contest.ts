/**
 * How things are compared here: contestants do the same work in turn, round after round, and what counts is the
 * median over the rounds of the ratio that two of them had within one round. A machine that others load, or that
 * changes its clock, moves both; it hardly moves the ratio.
 *
 * A subject (`calls`, `startup`, `files`, …) is one file that exports a function `() => Promise<Findings>`, named
 * in the table of `run.ts`. Its findings are tables; a table is one figure (round trip, memory, …) in one unit,
 * and has one {@link Row} for each contestant.
 */

/** The middle of several measurements, and the quartiles around it. */
export interface Spread {
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

/** What a figure has to reach; a smaller figure is better unless `better` says otherwise. */
export interface Bar {
  readonly limit: number;
  /** What would be excellent. */
  readonly aim?: number;
  readonly better?: "smaller" | "larger";
}

/** A figure beside another contestant's. */
export interface Comparison {
  /** As it reads in a sentence: `times the bare TLS echo`, `MiB over bare Node`, or `` for the figure itself. */
  readonly of: string;
  readonly value: Spread;
  readonly bar?: Bar;
}

/** One contestant's line of a table. */
export interface Row {
  readonly who: string;
  readonly value: Spread;
  readonly comparisons: readonly Comparison[];
}

/** One figure of all contestants. */
export interface Table {
  readonly what: string;
  readonly unit: string;
  /** What is measured and how, for one who reads only the results. */
  readonly meaning: string;
  readonly rows: readonly Row[];
}

/** What one subject found out. */
export interface Findings {
  readonly tables: readonly Table[];
  /** What is not in the tables, and why: a peer that is missing with the line that installs it. */
  readonly leftOut: readonly string[];
}

/** One round of one contestant: its figures by name. */
export type Turn<Figure extends string> = () => Promise<Readonly<Record<Figure, number>>>;

/** The figures of all contestants in all rounds. */
export class Contest<Who extends string, Figure extends string> {
  readonly #figures: ReadonlyMap<Who, readonly Readonly<Record<Figure, number>>[]>;

  /** For {@link inTurn}. */
  constructor(figures: ReadonlyMap<Who, readonly Readonly<Record<Figure, number>>[]>) {
    this.#figures = figures;
  }

  /** One contestant's figure in each round. */
  values(who: Who, figure: Figure): readonly number[] {
    return (this.#figures.get(who) ?? []).map((round) => round[figure]);
  }

  /** The middle of one contestant's figure. */
  spread(who: Who, figure: Figure): Spread {
    return spreadOf(this.values(who, figure));
  }

  /** One contestant's figure as a multiple of another's in the same round. */
  ratio(who: Who, to: Who, figure: Figure): Spread {
    return this.#paired(who, to, figure, (a, b) => a / b);
  }

  /** How much one contestant's figure is above another's in the same round. */
  difference(who: Who, to: Who, figure: Figure): Spread {
    return this.#paired(who, to, figure, (a, b) => a - b);
  }

  #paired(who: Who, to: Who, figure: Figure, compare: (a: number, b: number) => number): Spread {
    const others = this.values(to, figure);
    return spreadOf(
      this.values(who, figure).map((value, round) => compare(value, others[round] ?? Number.NaN)),
    );
  }
}

/** Lets every contestant take its turn in every round; each round begins with another one. */
export async function inTurn<Who extends string, Figure extends string>(
  rounds: number,
  contestants: Readonly<Record<Who, Turn<Figure>>>,
): Promise<Contest<Who, Figure>> {
  const entries = Object.entries(contestants) as [Who, Turn<Figure>][];
  const figures = new Map<Who, Readonly<Record<Figure, number>>[]>(entries.map(([who]) => [who, []]));
  for (let round = 0; round < rounds; round++) {
    for (let n = 0; n < entries.length; n++) {
      const [who, turn] = entries[(round + n) % entries.length] as [Who, Turn<Figure>];
      figures.get(who)?.push(await turn());
    }
  }
  return new Contest(figures);
}

/** The median and the quartiles. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return { low: quantile(sorted, 0.25), median: quantile(sorted, 0.5), high: quantile(sorted, 0.75) };
}

/** The value below which `share` of the sorted values lie, interpolated. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}
