import { TetherError } from "../../protocol/errors.ts";
import { FLASH } from "../../protocol/limits.ts";
import { checkIntelHex } from "./intel-hex.ts";

/** What a file for a board is. */
export type ImageKind = "hex" | "uf2" | "elf" | "bin";

/** A file that has been looked at: broken ones are found before anybody loses the port. */
export interface Image {
  /** For people. */
  readonly name: string;
  readonly kind: ImageKind;
  readonly content: Uint8Array;
}

const KINDS: { readonly [ending: string]: ImageKind } = {
  hex: "hex",
  ihex: "hex",
  uf2: "uf2",
  elf: "elf",
  bin: "bin",
};

/** The UF2 format: blocks of 512 bytes, each with these numbers at 0, 4 and 508. */
const UF2 = { block: 512, first: 0x0a324655, second: 0x9e5d5157, last: 0x0ab16f30 } as const;
/** The first bytes of an ELF file. */
const ELF = 0x7f454c46;

/**
 * Tells what a file is by the ending of its name, and sees that its content is that.
 *
 * @throws TetherError `invalid` for another ending, or where the content is broken
 */
export function readImage(name: string, content: Uint8Array): Image {
  const ending = /\.([A-Za-z0-9]+)$/.exec(name)?.[1]?.toLowerCase() ?? "";
  const kind = Object.hasOwn(KINDS, ending) ? KINDS[ending] : undefined;
  if (kind === undefined) {
    const endings = Object.keys(KINDS).map((each) => `.${each}`);
    throw new TetherError(
      "invalid",
      `${name}: nothing says what this file is, allowed: ${endings.join(" ")}`,
    );
  }
  if (content.length === 0) throw new TetherError("invalid", `${name} is empty`);
  const most = kind === "hex" ? FLASH.hexBytes : FLASH.fileBytes;
  if (content.length > most) {
    throw new TetherError("limit", `${name} has ${content.length} bytes; a .${ending} has at most ${most}`);
  }
  if (kind === "hex") checkIntelHex(name, content);
  if (kind === "uf2") checkUf2(name, content);
  if (kind === "elf" && (content.length < 4 || viewOf(content).getUint32(0) !== ELF)) {
    throw new TetherError("invalid", `${name} is no ELF file`);
  }
  return { name, kind, content };
}

/**
 * Where in an ESP chip's memory a file belongs, as far as it tells: one with a partition table in its place holds all,
 * from the beginning on. The program alone goes to another place, which the partition table on the chip says.
 */
export function espAddress({ content }: Image, chip: string): number | undefined {
  const table = 0x8000;
  const isWhole = content.length > table + 2 && content[table] === 0xaa && content[table + 1] === 0x50;
  const isImage = content[0] === 0xe9;
  return isWhole || (chip === "esp8266" && isImage) ? 0 : undefined;
}

function checkUf2(name: string, content: Uint8Array): void {
  const view = viewOf(content);
  if (content.length % UF2.block !== 0) {
    throw new TetherError("invalid", `${name} is no UF2 file: ${content.length} bytes are no whole blocks`);
  }
  for (let at = 0; at < content.length; at += UF2.block) {
    const numbers = [0, 4, UF2.block - 4].map((offset) => view.getUint32(at + offset, true));
    if (numbers[0] === UF2.first && numbers[1] === UF2.second && numbers[2] === UF2.last) continue;
    throw new TetherError("invalid", `${name} is no UF2 file: the block at byte ${at} is none`);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
