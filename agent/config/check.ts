import { join } from "node:path";
import { cleanName } from "../../protocol/index.ts";
import type { Configuration } from "./configuration.ts";
import { toDevices } from "./device-profiles.ts";
import { checkDevices, type Known } from "./device-rules.ts";
import { parseText } from "./document.ts";
import { checkGateways, toGateways, toMqtt } from "./gateway-rules.ts";
import { inOrder, type Mistake } from "./mistake.ts";
import { type Position, Reading } from "./reading.ts";
import { CONFIGURATION_SHAPE, type Draft, emptyDraft } from "./table.ts";

/** What the defaults depend on. */
export interface Surroundings {
  readonly stateFolder: string;
  readonly hostName: string;
}

/** A path that the configuration names or implies. */
export interface ConfiguredPath extends Position {
  /** The key it comes from, `mqtt.passwordFile`. */
  readonly key: string;
  readonly path: string;
}

/** The paths whose place in the file system matters; also of a configuration with mistakes. */
export interface ConfiguredPaths {
  readonly root: ConfiguredPath;
  readonly procedures: ConfiguredPath;
  /** Passwords and keys. */
  readonly secrets: readonly ConfiguredPath[];
  /** Files that have to be there, to be read. */
  readonly recordings: readonly ConfiguredPath[];
}

/** A checked text. */
export interface Checked {
  /** Undefined when there is a mistake. */
  readonly configuration: Configuration | undefined;
  /** Every mistake, by position. */
  readonly mistakes: readonly Mistake[];
  readonly paths: ConfiguredPaths;
}

/**
 * Checks the text of a configuration as a whole: syntax, keys, values, and what holds between them. Touches
 * neither files nor network, and never throws.
 */
export function checkConfiguration(text: string, known: Known, surroundings: Surroundings): Checked {
  const parsed = parseText(text);
  if (!parsed.ok) {
    return {
      configuration: undefined,
      mistakes: inOrder(parsed.mistakes),
      paths: pathsOf(emptyDraft(), surroundings, () => ({ line: 1, column: 1 })),
    };
  }
  const reading = new Reading(parsed.document, parsed.lines);
  const { contents } = parsed.document;
  const content = contents === null ? undefined : reading.resolve(contents, "");
  const draft = (content && CONFIGURATION_SHAPE.read(content, "", reading)) ?? emptyDraft();
  checkDevices(draft.devices, reading, known);
  checkGateways(draft, reading);
  const mistakes = inOrder(reading.mistakes);
  return {
    configuration: mistakes.length === 0 ? toConfiguration(draft, surroundings) : undefined,
    mistakes,
    paths: pathsOf(draft, surroundings, (key) => reading.positionOf(key)),
  };
}

/** The configuration of an agent that has no file. */
export function defaultConfiguration(stateFolder: string, hostName: string): Configuration {
  return toConfiguration(emptyDraft(), { stateFolder, hostName });
}

function toConfiguration(draft: Draft, surroundings: Surroundings): Configuration {
  const { name, files, devices, gateways, mqtt, ...rest } = draft;
  return {
    ...rest,
    name: name ?? cleanName(surroundings.hostName, "agent"),
    files: { ...files, root: rootOf(draft, surroundings) },
    devices: toDevices(devices),
    gateways: toGateways(gateways),
    mqtt: mqtt === undefined ? undefined : toMqtt(mqtt),
  };
}

function rootOf(draft: Draft, { stateFolder }: Surroundings): string {
  return draft.files.root ?? join(stateFolder, "files");
}

function pathsOf(
  draft: Draft,
  surroundings: Surroundings,
  positionOf: (key: string) => Position,
): ConfiguredPaths {
  const configured = (key: string, path: string): ConfiguredPath => ({ key, path, ...positionOf(key) });
  const secret = (key: string, path: string | undefined): ConfiguredPath[] =>
    path === undefined ? [] : [configured(key, path)];
  return {
    root: configured("files.root", rootOf(draft, surroundings)),
    procedures: configured("compute.procedures", draft.compute.procedures),
    secrets: [
      ...secret("mqtt.passwordFile", draft.mqtt?.passwordFile),
      ...draft.gateways.flatMap((gateway, index) => [
        ...("passwordFile" in gateway ? secret(`gateways[${index}].passwordFile`, gateway.passwordFile) : []),
        ...("tls" in gateway ? secret(`gateways[${index}].tls.key`, gateway.tls?.key) : []),
      ]),
    ],
    recordings: draft.devices.flatMap(({ serial }, index) =>
      serial?.simulate?.startsWith("/")
        ? configured(`devices[${index}].serial.simulate`, serial.simulate)
        : [],
    ),
  };
}
