import { randomFillSync } from "node:crypto";
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

const MiB = 1024 * 1024;
const FILE_BYTES = 4096;

/** Writes a file that does not compress. */
export function writeRandom(path: string, bytes: number): void {
  const piece = Buffer.allocUnsafe(Math.min(bytes, 4 * MiB));
  writePieces(path, bytes, () => randomFillSync(piece));
}

/** Writes a log of what sensors say, which zstd and DEFLATE make three to five times smaller. */
export function writeText(path: string, bytes: number): void {
  const lines: string[] = [];
  let length = 0;
  for (let time = 1_750_000_000_000; length < Math.min(bytes, 8 * MiB); ) {
    time += Math.floor(Math.random() * 1_000);
    const level = Math.random() < 0.9 ? "info" : "warning";
    const sensor = ["porch", "cellar", "greenhouse", "attic", "workshop"][Math.floor(Math.random() * 5)];
    const [warm, damp] = [(15 + 10 * Math.random()).toFixed(2), (30 + 50 * Math.random()).toFixed(1)];
    const line = `${new Date(time).toISOString()} ${level} ${sensor}: temperature ${warm} °C, humidity ${damp} %\n`;
    lines.push(line);
    length += Buffer.byteLength(line);
  }
  const text = Buffer.from(lines.join(""), "utf8");
  writePieces(path, bytes, () => text);
}

/** Makes a tree of files of 4 KiB that do not compress. */
export function writeTree(path: string, folders: number, filesEach: number): void {
  for (let n = 0; n < folders; n++) {
    mkdirSync(join(path, `folder-${n}`), { recursive: true });
    for (let m = 0; m < filesEach; m++) {
      writeFileSync(join(path, `folder-${n}`, `file-${m}`), randomFillSync(Buffer.allocUnsafe(FILE_BYTES)));
    }
  }
}

function writePieces(path: string, bytes: number, next: () => Buffer): void {
  const file = openSync(path, "w");
  for (let left = bytes; left > 0; ) {
    const piece = next();
    left -= writeSync(file, piece, 0, Math.min(left, piece.length));
  }
  closeSync(file);
}
