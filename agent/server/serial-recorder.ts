import type { Direction, Follower, Traffic } from "../../firmware-bridge/index.ts";
import { SERIAL, type SerialReport } from "../../protocol/index.ts";

/** What passed, and when. */
interface Piece {
  readonly direction: Direction;
  readonly time: string;
  readonly data: Buffer;
}

/** All that passes on a port in both directions, for one who may be too slow for it: then he loses the oldest. */
export class Recorder {
  readonly #traffic: Traffic;
  readonly #onMore: () => void;
  readonly #pieces: Piece[] = [];
  readonly #lost: { [direction in Direction]: number } = { device: 0, host: 0 };
  #bytes = 0;
  #untap: () => void = () => {};

  /** `onMore` is called when there is more to take. */
  constructor(traffic: Traffic, onMore: () => void) {
    this.#traffic = traffic;
    this.#onMore = onMore;
  }

  /** Begins with what `missed` has not had yet, which stands there with the present time. */
  begin(missed: Follower): void {
    for (let piece = missed.take(SERIAL.said); piece; piece = missed.take(SERIAL.said)) {
      this.#add("device", piece.bytes);
    }
    missed.stop();
    this.#untap = this.#traffic.tap((direction, bytes) => {
      for (let at = 0; at < bytes.length; at += SERIAL.said) {
        this.#add(direction, Buffer.from(bytes.subarray(at, at + SERIAL.said)));
      }
      this.#onMore();
    });
  }

  /** The next report; undefined when there is none. */
  next(): SerialReport | undefined {
    for (const direction of ["device", "host"] as const) {
      const bytes = this.#lost[direction];
      if (bytes === 0) continue;
      this.#lost[direction] = 0;
      return { report: "lost", bytes, direction };
    }
    const piece = this.#pieces.shift();
    if (piece === undefined) return undefined;
    this.#bytes -= piece.data.length;
    return { report: "traffic", ...piece };
  }

  stop(): void {
    this.#untap();
  }

  #add(direction: Direction, data: Buffer): void {
    this.#pieces.push({ direction, time: new Date().toISOString(), data });
    this.#bytes += data.length;
    while (this.#bytes > SERIAL.recorded || this.#pieces.length > SERIAL.recordedPieces) {
      const oldest = this.#pieces.shift();
      if (oldest === undefined) return;
      this.#bytes -= oldest.data.length;
      this.#lost[oldest.direction] += oldest.data.length;
    }
  }
}
