import { copyFile, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Plugin } from "esbuild";
import { type AddonTarget, addonFileName } from "./serial-addon-name.ts";

/** What `@serialport/bindings-cpp` brings for the machines that an agent runs on. */
const PREBUILDS: readonly (AddonTarget & { readonly file: string })[] = [
  { platform: "linux", arch: "x64", libc: "glibc", file: "linux-x64/@serialport+bindings-cpp.glibc.node" },
  { platform: "linux", arch: "x64", libc: "musl", file: "linux-x64/@serialport+bindings-cpp.musl.node" },
  {
    platform: "linux",
    arch: "arm64",
    libc: "glibc",
    file: "linux-arm64/@serialport+bindings-cpp.armv8.glibc.node",
  },
  {
    platform: "linux",
    arch: "arm64",
    libc: "musl",
    file: "linux-arm64/@serialport+bindings-cpp.armv8.musl.node",
  },
  {
    platform: "linux",
    arch: "armv7",
    libc: "glibc",
    file: "linux-arm/@serialport+bindings-cpp.armv7.glibc.node",
  },
  {
    platform: "linux",
    arch: "armv7",
    libc: "musl",
    file: "linux-arm/@serialport+bindings-cpp.armv7.musl.node",
  },
  {
    platform: "linux",
    arch: "armv6",
    libc: "glibc",
    file: "linux-arm/@serialport+bindings-cpp.armv6.glibc.node",
  },
];

/**
 * esbuild plugin: the package that searches node_modules for a native addon is replaced by the one that looks
 * beside the bundle.
 */
export function serialAddon(): Plugin {
  const loader = fileURLToPath(new URL("./load-serial-addon.ts", import.meta.url));
  return {
    name: "serial-addon",
    setup(build) {
      build.onResolve({ filter: /^node-gyp-build$/ }, () => ({ path: loader }));
    },
  };
}

/** Copies the native addons into `folder`; gives their file names. */
export async function copySerialAddons(folder: string): Promise<string[]> {
  const require = createRequire(createRequire(import.meta.url).resolve("serialport"));
  const prebuilds = join(dirname(require.resolve("@serialport/bindings-cpp/package.json")), "prebuilds");
  await mkdir(folder, { recursive: true });
  return Promise.all(
    PREBUILDS.map(async (prebuild) => {
      const name = addonFileName(prebuild);
      await copyFile(join(prebuilds, prebuild.file), join(folder, name));
      return name;
    }),
  );
}
