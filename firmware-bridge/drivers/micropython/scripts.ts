/**
 * What is run on the board, in the part of Python that every MicroPython since 1.12 has. Values get in as
 * literals only, so that none can be code.
 */

/** Comes before what a script says to us, so that what modules print while they load is told apart. */
export const MARK = "\x1e";

/** A text as a Python literal. JSON's escapes are Python's too; what they leave bare, Python takes bare. */
function literal(text: string): string {
  // A lone half of a pair is no UTF-8: the board could not read it.
  return JSON.stringify(Buffer.from(text, "utf8").toString("utf8"));
}

/** Prints the value of an expression, as JSON and as Python shows it. */
export function evaluation(expression: string): string {
  return [
    `_v = eval(${literal(expression)})`,
    "try:",
    " import json",
    " _j = '' if isinstance(_v, (bytes, bytearray)) else json.dumps(_v)",
    "except Exception:",
    " _j = ''",
    `print(${literal(MARK)} + _j + ${literal(MARK)} + repr(_v))`,
    "del _v, _j",
  ].join("\n");
}

/** Runs a line as the prompt would: the value of an expression is printed. */
export function promptLine(text: string): string {
  return [
    "try:",
    ` _v = eval(${literal(text)})`,
    " if _v is not None:",
    "  print(repr(_v))",
    "except SyntaxError:",
    ` exec(${literal(text)})`,
  ].join("\n");
}

/** Prints a JSON array of name, whether it is a folder, and size for each entry of a folder. */
export function listing(path: string): string {
  const at = literal(path.endsWith("/") ? path : `${path}/`);
  return [
    "import os, json",
    `for _e in os.ilistdir(${literal(path)}):`,
    ` _s = _e[3] if len(_e) > 3 else 0 if _e[1] & 0x4000 else os.stat(${at} + _e[0])[6]`,
    ` print(${literal(MARK)} + json.dumps([_e[0], bool(_e[1] & 0x4000), _s]))`,
  ].join("\n");
}

/** Prints a file's size, its content as lines of base 64, and its digest where the board can make one. */
export function reading(path: string, pieceBytes: number): string {
  return [
    "import os, binascii",
    "try:",
    " import hashlib",
    " _h = hashlib.sha256()",
    "except (ImportError, AttributeError):",
    " _h = None",
    `with open(${literal(path)}, 'rb') as _f:`,
    ` print(${literal(MARK)} + str(os.stat(${literal(path)})[6]))`,
    " while True:",
    `  _b = _f.read(${pieceBytes})`,
    "  if not _b:",
    "   break",
    "  if _h:",
    "   _h.update(_b)",
    `  print(${literal(MARK)} + binascii.b2a_base64(_b).decode().strip())`,
    `print(${literal(MARK)} + (binascii.hexlify(_h.digest()).decode() if _h else '-'))`,
  ].join("\n");
}

/** Opens the file that is written, for {@link writing}. */
export function beginning(path: string): string {
  return `import binascii\n_w = open(${literal(path)}, 'wb')`;
}

/** Appends bytes to the file that was opened. */
export function writing(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
  return `_w.write(binascii.a2b_base64(b${literal(text)}))`;
}

/** Closes the file and prints its size and, where the board can make one, its digest, read back from the flash. */
export function closing(path: string, pieceBytes: number): string {
  return [
    "_w.close()",
    "del _w",
    "import os",
    "try:",
    " os.sync()",
    "except AttributeError:",
    " pass",
    "try:",
    " import hashlib",
    " _h = hashlib.sha256()",
    "except (ImportError, AttributeError):",
    " _h = None",
    "if _h:",
    ` with open(${literal(path)}, 'rb') as _f:`,
    "  while True:",
    `   _b = _f.read(${pieceBytes})`,
    "   if not _b:",
    "    break",
    "   _h.update(_b)",
    `print(${literal(MARK)} + str(os.stat(${literal(path)})[6]))`,
    `print(${literal(MARK)} + (binascii.hexlify(_h.digest()).decode() if _h else '-'))`,
  ].join("\n");
}

/** Gives a whole file its name; FAT cannot rename over a file that is there. */
export function renaming(from: string, to: string): string {
  return [
    "import os",
    "try:",
    ` os.remove(${literal(to)})`,
    "except OSError as _e:",
    " if _e.args[0] != 2:",
    "  raise",
    `os.rename(${literal(from)}, ${literal(to)})`,
  ].join("\n");
}

/** Removes a file, or an empty folder. */
export function removing(path: string): string {
  return [
    "import os",
    `if os.stat(${literal(path)})[0] & 0x4000:`,
    ` os.rmdir(${literal(path)})`,
    "else:",
    ` os.remove(${literal(path)})`,
  ].join("\n");
}

export function makingFolder(path: string): string {
  return `import os\nos.mkdir(${literal(path)})`;
}

/** Prints as JSON what the board is. */
export function description(): string {
  return [
    "import sys, gc, json",
    "_d = {'platform': sys.platform, 'version': sys.version, 'memory': gc.mem_free() if hasattr(gc, 'mem_free') else 0}",
    "_d['machine'] = getattr(sys.implementation, '_machine', '')",
    "_d['firmware'] = '.'.join(str(_n) for _n in sys.implementation[1][:3])",
    `print(${literal(MARK)} + json.dumps(_d))`,
  ].join("\n");
}
