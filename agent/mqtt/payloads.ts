import { type JsonObject, type JsonValue, writeJson } from "../../protocol/index.ts";
import type { DeviceDescription, ReadingEvent } from "../devices/index.ts";

/** What is published of one value: `{"value","unit","time"}`, each null where there is none. */
export function readingPayload(reading: {
  readonly value?: ReadingEvent["value"];
  readonly unit?: string | undefined;
  readonly time?: string;
}): string {
  return writeJson(readingFacts(reading));
}

/** What is published of a device: how it stands, and the last value of each reading. */
export function statePayload(
  device: Pick<DeviceDescription, "state" | "reason"> & {
    readonly readings: Iterable<DeviceDescription["readings"][number]>;
  },
): string {
  const readings: JsonObject = {};
  for (const reading of device.readings) {
    readings[reading.name] = { ...readingFacts(reading), ...(reading.stale && { stale: true }) };
  }
  return writeJson({ state: device.state, reason: device.reason ?? null, readings });
}

function readingFacts({ value, unit, time }: Parameters<typeof readingPayload>[0]): JsonObject {
  return { value: value ?? null, unit: unit ?? null, time: time ?? null };
}

/** The members of `system.info` that do not change from one second to the next. */
export function infoPayload(info: JsonObject): string {
  const { id, name, version, model, os, kernel, arch, node, memory, addresses } = info;
  const { total = null } = (memory ?? {}) as { readonly total?: JsonValue };
  const facts: { [fact: string]: JsonValue | undefined } = {
    id,
    name,
    version,
    model,
    os,
    kernel,
    arch,
    node,
    memory: { total },
    addresses,
  };
  return writeJson(Object.fromEntries(Object.entries(facts).map(([fact, value]) => [fact, value ?? null])));
}
