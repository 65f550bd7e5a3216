/** For what a native addon was compiled; `libc` is known on Linux only. */
export interface AddonTarget {
  readonly platform: string;
  /** Node's `process.arch`, but `armv6` or `armv7` for 32-bit ARM. */
  readonly arch: string;
  readonly libc?: "glibc" | "musl";
}

/** The name in `dist/` of the serial port's native addon for one machine. */
export function addonFileName({ platform, arch, libc }: AddonTarget): string {
  return ["serialport", platform, arch, ...(libc === undefined ? [] : [libc])].join("-").concat(".node");
}
