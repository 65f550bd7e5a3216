import { posix } from "node:path";
import type { ImportingModule, ModuleImport } from "./module-imports.ts";

/** From whom a room of the product may import, and by which doors. */
const DOORS: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  transfer: ["protocol/index.ts"],
  "firmware-bridge": ["protocol/errors.ts", "protocol/limits.ts"],
  agent: [
    "protocol/index.ts",
    "transfer/index.ts",
    "firmware-bridge/index.ts",
    "firmware-bridge/rfc2217/index.ts",
  ],
  controller: ["protocol/index.ts", "transfer/index.ts", "firmware-bridge/rfc2217/index.ts"],
};

/** Rooms that may import everything and that no room of the product imports. */
const WORKSHOPS: readonly string[] = ["test", "bench", "build"];

/** What the protocol may take from Node: functions of their arguments, and no socket, file or timer. */
const PURE_NODE_MODULES: readonly string[] = ["node:buffer", "node:crypto", "node:util"];
const PURE_NODE_NAMES: Readonly<Record<string, readonly string[]>> = {
  "node:net": ["isIP", "isIPv4", "isIPv6"],
};

/** The imports that break the rules of the house, each as one line that says which and why. */
export function forbiddenImports(modules: readonly ImportingModule[]): string[] {
  return modules.flatMap(({ path, imports }) =>
    imports.flatMap((one) => {
      const why = whyForbidden(path, one);
      return why === undefined ? [] : [`${path} imports ${one.specifier}: ${why}`];
    }),
  );
}

function whyForbidden(path: string, one: ModuleImport): string | undefined {
  const { specifier } = one;
  const room = roomOf(path);
  if (room === "examples") {
    return ["tether", "tether/procedure"].includes(specifier) || specifier.startsWith("node:")
      ? undefined
      : "an example imports tether and Node's own modules only";
  }
  if (WORKSHOPS.includes(room)) return undefined;
  if (!specifier.startsWith(".")) return whyForbiddenPackage(room, one);

  const target = resolved(path, specifier);
  if (roomOf(target) === room) return undefined;
  const doors = DOORS[room];
  if (doors === undefined) return `${room} is no room of the house`;
  if (doors.includes(target)) return undefined;
  return doors.length === 0 ? `${room} imports no other room` : `${room} imports only ${doors.join(", ")}`;
}

function whyForbiddenPackage(room: string, { specifier, typeOnly, names }: ModuleImport): string | undefined {
  if (specifier === "tether") return "the product imports itself by its paths";
  if (room !== "protocol" || typeOnly || !specifier.startsWith("node:")) return undefined;
  if (PURE_NODE_MODULES.includes(specifier)) return undefined;
  const pure = PURE_NODE_NAMES[specifier];
  if (pure !== undefined && names?.every((name) => pure.includes(name))) return undefined;
  return "the protocol holds no socket, no file and no timer";
}

/**
 * The circles among modules, each as one line. An `import()` counts like any other import; an `import type`
 * does not, for it is gone before anything runs.
 */
export function circles(modules: readonly ImportingModule[]): string[] {
  const targets = new Map(
    modules.map(({ path, imports }) => [
      path,
      imports.filter((one) => !one.typeOnly).map((one) => resolved(path, one.specifier)),
    ]),
  );
  const found: string[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const walk = (path: string): void => {
    const start = trail.indexOf(path);
    if (start !== -1) found.push([...trail.slice(start), path].join(" -> "));
    if (start !== -1 || done.has(path)) return;
    trail.push(path);
    for (const target of targets.get(path) ?? []) walk(target);
    trail.pop();
    done.add(path);
  };
  for (const path of targets.keys()) walk(path);
  return found;
}

function roomOf(path: string): string {
  return path.split("/")[0] ?? "";
}

function resolved(path: string, specifier: string): string {
  return specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : specifier;
}
