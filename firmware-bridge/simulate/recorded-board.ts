import { open } from "node:fs/promises";
import { asTetherError, TetherError } from "../../protocol/errors.ts";
import { RECORDINGS } from "../../protocol/limits.ts";
import type { Link, LinkReceiver } from "../link/link.ts";
import { MemoryCable, type MemoryEnd } from "../link/memory.ts";
import type { PortSettings } from "../link/settings.ts";
import { shown } from "../value.ts";
import { readRecording, type Scene } from "./recording.ts";

/** Milliseconds between two pieces of one answer, at most: what comes later the device said by itself. */
const ANSWER = 1_000;

/** Tells what does not go as it was recorded. */
export type Note = (message: string) => void;

async function readText(path: string): Promise<string> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    if (size > RECORDINGS.fileBytes) {
      throw new TetherError("limit", `it has ${size} bytes; ${RECORDINGS.fileBytes} are allowed`);
    }
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

/**
 * A board that says what was recorded: after what it is told, what the real one said to that, and by itself what
 * the real one said by itself, each after as long.
 *
 * What it is told is looked for from the present place on, and then from the beginning, so that polls and commands
 * find their answers in whatever order they come.
 */
export class RecordedBoard implements MemoryEnd {
  readonly #scenes: readonly Scene[];
  readonly #note: Note;
  readonly #cable = new MemoryCable();
  /** What the note was told already: polls would repeat it for ever. */
  readonly #noted = new Set<string>();
  #link: Link | undefined;
  #scene = 0;
  /** The next thing to be said in the present scene. */
  #next = 0;
  #timer: NodeJS.Timeout | undefined;
  #heard: Buffer = Buffer.alloc(0);

  constructor(scenes: readonly Scene[], note: Note) {
    this.#scenes = scenes;
    this.#note = note;
  }

  /**
   * Reads the recording at a path and gives the board that is in it.
   *
   * @throws TetherError `device-missing` when it is not there, `device-failed` when it cannot be read or is none
   */
  static async load(path: string, note: Note): Promise<RecordedBoard> {
    let text: string;
    try {
      text = await readText(path);
    } catch (thrown) {
      const error = asTetherError(thrown);
      const code = error.code === "not-found" ? "device-missing" : "device-failed";
      throw new TetherError(code, `the recording ${path} cannot be read: ${error.message}`, {
        cause: thrown,
      });
    }
    try {
      return new RecordedBoard(readRecording(text), note);
    } catch (thrown) {
      const { message } = asTetherError(thrown);
      throw new TetherError("device-failed", `${path} is no recording: ${message}`, { cause: thrown });
    }
  }

  open(receiver: LinkReceiver, settings?: PortSettings): Link {
    const [host, board] = this.#cable.ends;
    const link = host.open(receiver, settings);
    this.#link ??= board.open({
      received: (bytes) => this.#told(bytes),
      ended: () => {
        this.#link = undefined;
        clearTimeout(this.#timer);
      },
      left: () => clearTimeout(this.#timer),
    });
    this.#heard = Buffer.alloc(0);
    this.#enter(0);
    return link;
  }

  #enter(scene: number): void {
    this.#scene = scene;
    this.#next = 0;
    this.#goOn();
  }

  /** Says the next thing when it is time for it. */
  #goOn(): void {
    clearTimeout(this.#timer);
    const utterance = this.#scenes[this.#scene]?.said[this.#next];
    if (utterance === undefined) return;
    this.#timer = setTimeout(() => {
      this.#next += 1;
      this.#say(utterance.bytes);
      this.#goOn();
    }, utterance.delay).unref();
  }

  #told(bytes: Uint8Array): void {
    this.#heard = Buffer.concat([this.#heard, bytes]);
    while (this.#heard.length > 0) {
      const scene = this.#find(this.#heard);
      if (scene === undefined) {
        this.#noteOnce(`was told ${shown(this.#heard.toString("latin1"))}, which is not in the recording`);
        this.#heard = Buffer.alloc(0);
        return;
      }
      const told = this.#scenes[scene]?.told ?? this.#heard;
      if (told.length > this.#heard.length) return; // the rest is still to come
      this.#heard = this.#heard.subarray(told.length);
      this.#finishAnswer();
      this.#enter(scene);
    }
  }

  /** The scene, from the next one on and then from the first, that these bytes begin, or that begins with them. */
  #find(heard: Buffer): number | undefined {
    const count = this.#scenes.length;
    let begun: number | undefined;
    let passed = 0;
    for (let step = 1; step <= count; step += 1) {
      const index = (this.#scene + step) % count;
      const told = this.#scenes[index]?.told;
      if (told === undefined || told.length === 0) continue;
      const common = Math.min(told.length, heard.length);
      if (told.compare(heard, 0, common, 0, common) !== 0) {
        passed += 1;
        continue;
      }
      if (told.length <= heard.length) {
        if (passed > 0) this.#noteOnce(`was told ${shown(told.toString("latin1"))} out of turn`);
        return index;
      }
      begun ??= index;
    }
    return begun;
  }

  /** What is left of the answer to what was told before is said at once; what it said by itself later is left out. */
  #finishAnswer(): void {
    const said = this.#scenes[this.#scene]?.said ?? [];
    for (let next = said[this.#next]; next !== undefined && next.delay < ANSWER; next = said[this.#next]) {
      this.#next += 1;
      this.#say(next.bytes);
    }
  }

  #say(bytes: Uint8Array): void {
    this.#link?.write(bytes).catch(() => {});
  }

  #noteOnce(message: string): void {
    if (this.#noted.size >= RECORDINGS.notes || this.#noted.has(message)) return;
    this.#noted.add(message);
    this.#note(message);
  }
}
