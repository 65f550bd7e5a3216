/**
 * Stands in for `node-gyp-build` inside a bundle: loads the serial port's native addon from beside it.
 *
 * It takes the folder of a package, as the original does, and does not look there: a bundle has none.
 */
import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { type AddonTarget, addonFileName } from "./serial-addon-name.ts";

/** Bytes at the start of an ELF file within which linkers put the name of its interpreter. */
const ELF_HEAD = 4096;

/** Gives the addon's exports; throws an Error that names the file when it is not there. */
export default function loadSerialAddon(_packageFolder: string): unknown {
  const name = addonFileName(thisMachine());
  const file = join(import.meta.dirname, name);
  if (!existsSync(file)) {
    throw new Error(`no serial ports on this machine: ${name} is missing in ${import.meta.dirname}`);
  }
  const module: { exports: unknown } = { exports: {} };
  process.dlopen(module, file);
  return module.exports;
}

function thisMachine(): AddonTarget {
  const { platform, arch } = process;
  if (platform !== "linux") return { platform, arch };
  const libc = usesMusl() ? "musl" : "glibc";
  if (arch !== "arm") return { platform, arch, libc };
  // An ARMv6 program runs on ARMv7 too, so it is the answer when Node does not say for what it was built.
  const built: unknown = Reflect.get(process.config.variables, "arm_version");
  return { platform, arch: String(built) === "7" || libc === "musl" ? "armv7" : "armv6", libc };
}

/** The addon must fit the C library of this Node, which is not always the one of the system. */
function usesMusl(): boolean {
  const head = Buffer.alloc(ELF_HEAD);
  const file = openSync(process.execPath, "r");
  try {
    readSync(file, head, 0, ELF_HEAD, 0);
  } finally {
    closeSync(file);
  }
  return head.includes("/ld-musl-");
}
