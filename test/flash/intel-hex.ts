/** A memory image as a file in Intel HEX, from address 0 on. */
export function intelHex(image: Uint8Array): string {
  const records: string[] = [];
  for (let at = 0; at < image.length; at += 16) {
    records.push(record(at, 0, image.subarray(at, at + 16)));
  }
  return [...records, record(0, 1, new Uint8Array()), ""].join("\n");
}

function record(address: number, type: number, data: Uint8Array): string {
  const bytes = [data.length, address >> 8, address & 0xff, type, ...data];
  const sum = bytes.reduce((all, byte) => all + byte, 0);
  return `:${Buffer.from([...bytes, -sum & 0xff])
    .toString("hex")
    .toUpperCase()}`;
}

/** A program for a board: bytes that repeat nowhere soon, so that a page at a wrong place is seen. */
export function programOf(bytes: number): Buffer {
  const program = Buffer.alloc(bytes);
  let state = 1;
  for (let at = 0; at < bytes; at++) {
    state = (state * 1_103_515_245 + 12_345) % 0x8000_0000;
    program[at] = state >> 16;
  }
  return program;
}
