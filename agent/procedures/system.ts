import { readFile, statfs } from "node:fs/promises";
import { arch, freemem, loadavg, networkInterfaces, release, totalmem, uptime } from "node:os";
import { type JsonObject, type JsonValue, PROCEDURES } from "../../protocol/index.ts";
import type { Procedure } from "./procedure.ts";

/** What the agent knows of itself; read at each call, so that a getter may follow a new configuration. */
export interface AgentFacts {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  /** Processes for user procedures. */
  readonly workers: number;
}

const text = { type: "string" } as const;
const number = { type: "number" } as const;
const textOrNull = { type: ["string", "null"] };

/** `system.info`. */
export function systemProcedures(facts: AgentFacts): readonly Procedure[] {
  return [
    {
      name: "system.info",
      summary: "The agent and its machine: model, system, load, memory, temperature, disks, addresses.",
      parameters: {},
      result: {
        type: "object",
        properties: {
          id: text,
          name: text,
          version: text,
          model: textOrNull,
          os: textOrNull,
          kernel: text,
          arch: text,
          node: text,
          uptimeSeconds: number,
          workers: { type: "integer", description: "processes for user procedures" },
          load: { type: "array", items: number, minItems: 3, maxItems: 3 },
          memory: { type: "object", properties: { total: number, available: number, used: number } },
          temperature: { type: ["number", "null"], description: "°C" },
          disks: {
            type: "array",
            items: { type: "object", properties: { mount: text, total: number, free: number } },
          },
          addresses: {
            type: "array",
            items: { type: "object", properties: { interface: text, address: text, family: text } },
          },
        },
      },
      role: "viewer",
      retryable: true,
      run: () => gatherInfo(facts),
    },
  ];
}

async function gatherInfo(facts: AgentFacts): Promise<JsonObject> {
  const [model, os, memory, temperature, disks] = await Promise.all([
    readModel(),
    readOsName(),
    readMemory(),
    readTemperature(),
    readDisks(),
  ]);
  return {
    id: facts.id,
    name: facts.name,
    version: facts.version,
    model,
    os,
    kernel: release(),
    arch: arch(),
    node: process.version,
    uptimeSeconds: Math.floor(uptime()),
    workers: facts.workers,
    load: loadavg(),
    memory,
    temperature,
    disks,
    addresses: listAddresses(),
  };
}

/** A file's text; undefined where the machine has no such file. */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return undefined;
  }
}

async function readModel(): Promise<JsonValue> {
  // The device tree ends its strings with a zero byte.
  const model = (await readText("/proc/device-tree/model"))?.replace(/\0.*$/s, "").trim();
  return model || null;
}

async function readOsName(): Promise<JsonValue> {
  const release = await readText("/etc/os-release");
  return /^PRETTY_NAME=(["']?)(.*)\1$/m.exec(release ?? "")?.[2] ?? null;
}

/** Bytes; available is what programs can still get, caches given up. */
async function readMemory(): Promise<JsonObject> {
  const total = totalmem();
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec((await readText("/proc/meminfo")) ?? "")?.[1];
  const available = kibibytes === undefined ? freemem() : Number(kibibytes) * 1024;
  return { total, available, used: total - available };
}

/** Degrees Celsius of the first thermal zone, the processor's on a Raspberry Pi. */
async function readTemperature(): Promise<JsonValue> {
  const millidegrees = Number.parseInt((await readText("/sys/class/thermal/thermal_zone0/temp")) ?? "", 10);
  return Number.isNaN(millidegrees) ? null : millidegrees / 1000;
}

/** The root file system and each local disk, once, in bytes. */
async function readDisks(): Promise<JsonObject[]> {
  const mounts = (await readText("/proc/self/mounts")) ?? "";
  const byDevice = new Map<string, string>();
  for (const line of mounts.split("\n")) {
    const [device = "", mount = ""] = line.split(" ");
    // Network file systems can hang for minutes, and memory is no disk.
    if (mount === "/" || (device.startsWith("/dev/") && !byDevice.has(device))) {
      byDevice.set(device, unescapeMount(mount));
    }
  }
  const disks: JsonObject[] = [];
  for (const mount of [...byDevice.values()].slice(0, PROCEDURES.disks)) {
    try {
      const { blocks, bavail, bsize } = await statfs(mount);
      disks.push({ mount, total: blocks * bsize, free: bavail * bsize });
    } catch {
      // Unmounted in the meantime, or not for this user.
    }
  }
  return disks;
}

/** `/proc/self/mounts` writes space, tab, newline and backslash as three octal digits (proc(5), fstab(5)). */
function unescapeMount(mount: string): string {
  return mount.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function listAddresses(): JsonObject[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses
      .filter(({ internal }) => !internal)
      .map(({ address, family }) => ({ interface: name, address, family })),
  );
}
