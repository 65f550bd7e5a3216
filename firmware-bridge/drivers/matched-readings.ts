import { asTetherError } from "../../protocol/errors.ts";
import type { DeviceProfile } from "../profile.ts";
import type { DeviceValue } from "../value.ts";
import type { ReadingSink } from "./driver.ts";
import { located } from "./located.ts";
import { type LineReader, lineTest, valueReader } from "./pattern.ts";

interface MatchedReading {
  readonly name: string;
  readonly reader: LineReader<DeviceValue>;
  readonly matches: (line: string) => boolean;
}

/** The readings of a profile that are found in the lines that a device says. */
export class MatchedReadings {
  readonly #sink: ReadingSink;
  readonly #readings: readonly MatchedReading[];

  /** @throws TetherError `invalid` naming the reading that makes no sense. */
  constructor({ readings }: DeviceProfile, sink: ReadingSink) {
    this.#sink = sink;
    this.#readings = Object.entries(readings).flatMap(([name, { source, type }]) => {
      if (source.kind !== "match") return [];
      const reader = located(`readings.${name}`, () => valueReader(source.match, source.result, type));
      return [{ name, reader, matches: lineTest(source.match) }];
    });
  }

  /** True for a line that some reading is in. */
  isReading(line: string): boolean {
    return this.#readings.some(({ matches }) => matches(line));
  }

  /** Takes the values that a line holds. */
  hear(line: string): void {
    for (const { name, reader } of this.#readings) {
      try {
        const value = reader.read(line, name);
        if (value !== undefined) this.#sink.value(name, value);
      } catch (thrown) {
        this.#sink.failed(name, asTetherError(thrown));
      }
    }
  }
}
