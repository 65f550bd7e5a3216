/** A program as a UF2 file, in blocks of 256 bytes from the beginning of an RP2040's flash on. */
export function uf2(program: Uint8Array): Buffer {
  const count = Math.ceil(program.length / 256);
  const blocks = Array.from({ length: count }, (_, number) => {
    const block = Buffer.alloc(512);
    const numbers = [
      0x0a324655,
      0x9e5d5157,
      0x2000,
      0x1000_0000 + number * 256,
      256,
      number,
      count,
      0xe48bff56,
    ];
    for (const [index, value] of numbers.entries()) block.writeUInt32LE(value, 4 * index);
    block.set(program.subarray(number * 256, (number + 1) * 256), 32);
    block.writeUInt32LE(0x0ab16f30, 508);
    return block;
  });
  return Buffer.concat(blocks);
}
