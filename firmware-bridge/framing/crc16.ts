/** CRC-16 with the polynomial 0x8005, bits reflected, from 0xFFFF: the table of its 256 steps. */
const STEPS = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  return crc;
});

/**
 * The CRC-16 of Modbus (Modbus over Serial Line 1.02, §6.2.2), also known as CRC-16/MODBUS; of the nine digits
 * `123456789` it is 0x4B37. On the wire its low byte goes first; over bytes and their CRC it is then 0.
 */
export function crc16(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (STEPS[(crc ^ byte) & 0xff] ?? 0);
  return crc;
}
