import { promisify } from "node:util";
import { deflate, inflate } from "node:zlib";
import { type JsonValue, PROCEDURES, TetherError } from "../../protocol/index.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import type { Procedure } from "./procedure.ts";
import { packValues, unpackValues } from "./struct-format.ts";
import { Turns } from "./turns.ts";

const compress = promisify(deflate);
const decompress = promisify(inflate);

const data = { type: "string", contentEncoding: "base64", description: "bytes in base64" } as const;
const format = {
  type: "string",
  maxLength: PROCEDURES.packFormat,
  description: "byte order and letters as in Python's struct",
} as const;

/** `bytes.*`: bytes are base64 texts in JSON. */
export function bytesProcedures(): Procedure[] {
  // A few kilobytes may stand for megabytes.
  const turns = new Turns();
  return [
    {
      name: "bytes.pack",
      summary: "Values as bytes, in a format as of Python's struct.",
      parameters: { format, values: { type: "array" } },
      variadic: true,
      result: data,
      role: "viewer",
      retryable: true,
      run: (args) => encodeBase64(packValues(args.format as string, args.values as JsonValue[])),
    },
    {
      name: "bytes.unpack",
      summary: "Bytes as values, in a format as of Python's struct.",
      parameters: { format, data },
      result: { type: "array" },
      role: "viewer",
      retryable: true,
      run: (args) => unpackValues(args.format as string, bytesOf("bytes.unpack", args.data)),
    },
    {
      name: "bytes.compress",
      summary: "Bytes compressed with zlib.",
      parameters: { data, level: { type: "integer", minimum: 0, maximum: 9, default: 6 } },
      result: data,
      role: "viewer",
      retryable: true,
      run: (args, { signal }) =>
        turns.take(signal, async () =>
          encodeBase64(await compress(bytesOf("bytes.compress", args.data), { level: Number(args.level) })),
        ),
    },
    {
      name: "bytes.decompress",
      summary: "Bytes that zlib had compressed.",
      parameters: { data },
      result: data,
      role: "viewer",
      retryable: true,
      run: (args, { signal }) =>
        turns.take(signal, async () =>
          encodeBase64(await decompressBounded(bytesOf("bytes.decompress", args.data))),
        ),
    },
  ];
}

function bytesOf(procedure: string, value: JsonValue | undefined): Buffer {
  const bytes = decodeBase64(value as string);
  if (bytes !== undefined) return bytes;
  throw new TetherError(
    "invalid",
    `${procedure}: argument "data" is not base64; allowed: A-Z a-z 0-9 + / padded with =`,
  );
}

async function decompressBounded(bytes: Buffer): Promise<Buffer> {
  try {
    return await decompress(bytes, { maxOutputLength: PROCEDURES.bytes });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ERR_BUFFER_TOO_LARGE") {
      throw new TetherError("limit", `bytes.decompress: more than ${PROCEDURES.bytes} bytes come out`);
    }
    throw new TetherError("invalid", `bytes.decompress: not zlib data: ${message}`, { cause: error });
  }
}
