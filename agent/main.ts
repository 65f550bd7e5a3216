import "./young-generation.ts";
import { type ParseArgsConfig, parseArgs } from "node:util";
import {
  asTetherError,
  isRole,
  type JsonObject,
  nearest,
  PAIRING,
  parseDuration,
  ROLES,
  type Role,
  TetherError,
  VERSION,
} from "../protocol/index.ts";
import { Agent, KNOWN } from "./agent.ts";
import { configurationFile, formatMistake, loadConfiguration, stateFolder } from "./config/index.ts";
import { askAgent } from "./control/client.ts";
import { Log } from "./log.ts";

/** The options of a verb, as far as they were given. */
type Given = { readonly [option: string]: string | boolean | undefined };

interface Verb {
  readonly usage: string;
  readonly summary: string;
  /** Arguments that it needs. */
  readonly arguments: number;
  readonly options: NonNullable<ParseArgsConfig["options"]>;
  run(given: Given, args: readonly string[]): Promise<number>;
}

const STATE = { state: { type: "string" } } as const;
const CONFIG = { config: { type: "string" } } as const;
const JSON_OUTPUT = { json: { type: "boolean" } } as const;

/** Milliseconds from SIGTERM to the end, whatever still runs. */
const STOP_WITHIN = 4_500;

/** The one table of verbs. */
const VERBS: { readonly [name: string]: Verb } = {
  run: {
    usage: "run [--config FILE] [--state DIR]",
    summary: "run in the foreground (the default)",
    arguments: 0,
    options: { ...CONFIG, ...STATE },
    run: runAgent,
  },
  pair: {
    usage: "pair [--label NAME] [--role viewer|operator|admin] [--ttl 10m] [--json]",
    summary: "make a one-time pairing code",
    arguments: 0,
    options: {
      ...STATE,
      ...JSON_OUTPUT,
      label: { type: "string" },
      role: { type: "string" },
      ttl: { type: "string" },
    },
    run: pair,
  },
  status: {
    usage: "status [--json]",
    summary: "how the running agent stands",
    arguments: 0,
    options: { ...STATE, ...JSON_OUTPUT },
    run: status,
  },
  controllers: {
    usage: "controllers [--json]",
    summary: "who is paired",
    arguments: 0,
    options: { ...STATE, ...JSON_OUTPUT },
    run: controllers,
  },
  revoke: {
    usage: "revoke LABEL|FINGERPRINT | revoke --token LABEL",
    summary: "remove a controller, whose sessions end at once, or a token",
    arguments: 1,
    options: { ...STATE, ...JSON_OUTPUT, token: { type: "boolean" } },
    run: revoke,
  },
  token: {
    usage: "token [--label NAME] [--role viewer|operator|admin] [--json]",
    summary: "make a bearer token for gateways that ask for one",
    arguments: 0,
    options: { ...STATE, ...JSON_OUTPUT, label: { type: "string" }, role: { type: "string" } },
    run: token,
  },
  tokens: {
    usage: "tokens [--json]",
    summary: "the bearer tokens, by label",
    arguments: 0,
    options: { ...STATE, ...JSON_OUTPUT },
    run: tokens,
  },
  check: {
    usage: "check [--config FILE]",
    summary: "every mistake in the configuration",
    arguments: 0,
    options: { ...CONFIG, ...STATE },
    run: check,
  },
  help: { usage: "help", summary: "this list", arguments: 0, options: {}, run: help },
  version: { usage: "version", summary: "the version", arguments: 0, options: {}, run: version },
};

async function main(argv: readonly string[]): Promise<number> {
  try {
    const { verb, given, args } = readArguments(argv);
    return await verb.run(given, args);
  } catch (thrown) {
    const error = asTetherError(thrown);
    const text = argv.includes("--json")
      ? JSON.stringify({ error: { ...error.toJSON(), hint: error.hint ?? "" } })
      : `tetherd: ${error.message}${error.hint === undefined ? "" : ` (${error.hint})`}`;
    process.stderr.write(`${text}\n`);
    return error.exitCode;
  }
}

function readArguments(argv: readonly string[]): { verb: Verb; given: Given; args: readonly string[] } {
  const flag = { "--help": "help", "-h": "help", "--version": "version" }[
    argv.find((one) => one !== "--json") ?? ""
  ];
  const isOption = argv[0]?.startsWith("-") ?? true;
  const name = flag ?? (isOption ? "run" : (argv[0] as string));
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (verb === undefined) {
    const near = nearest(name, Object.keys(VERBS));
    throw new TetherError("usage", `there is no verb "${name}"`, {
      hint: near === undefined ? "`tetherd help` lists them" : `did you mean \`tetherd ${near}\`?`,
    });
  }
  if (flag !== undefined) return { verb, given: {}, args: [] };
  try {
    const { values, positionals } = parseArgs({
      args: argv.slice(isOption ? 0 : 1),
      options: verb.options,
      allowPositionals: true,
    });
    if (positionals.length === verb.arguments) return { verb, given: values as Given, args: positionals };
    throw new TypeError(
      positionals.length < verb.arguments ? "an argument is missing" : "an argument too many",
    );
  } catch (error) {
    // parseArgs explains at length; its first sentence says what is wrong.
    const [what] = (error as Error).message.split(/\.(?:\s|$)/);
    throw new TetherError("usage", String(what), { hint: `usage: tetherd ${verb.usage}` });
  }
}

async function runAgent(given: Given): Promise<number> {
  const log = new Log(process.stdout, { readable: process.stdout.isTTY === true });
  const statePath = stateFolder(text(given.state));
  const file = await configurationFile(text(given.config));
  const loaded = await loadConfiguration(file, { stateFolder: statePath, known: KNOWN });
  if (!loaded.ok) throw loaded.error;
  const agent = new Agent({ configuration: loaded.configuration, configurationFile: file, statePath, log });
  let stop = (_signal: string) => {};
  const stopped = new Promise<string>((resolve) => {
    stop = resolve;
  });
  process.on("SIGTERM", () => stop("SIGTERM")).on("SIGINT", () => stop("SIGINT"));
  const started = agent.start();
  process.on("SIGHUP", () => {
    started
      .then(() => agent.reload())
      .catch((error: unknown) => log.error("reload-failed", asTetherError(error).message));
  });
  await started;
  const signal = await stopped;
  log.info("stopping", `stopping because of ${signal}`);
  // A procedure or a port that does not let go must not keep the process.
  const timer = setTimeout(() => {
    log.warn("stopped", "stopped, though not everything had ended");
    process.exit(0);
  }, STOP_WITHIN);
  await agent.stop();
  // From here on it strikes only if something else keeps the process.
  timer.unref();
  log.info("stopped", "stopped");
  return 0;
}

async function pair(given: Given): Promise<number> {
  const label = text(given.label);
  const role = text(given.role);
  const ttl = text(given.ttl);
  const issued = (await askAgent(stateFolder(text(given.state)), "pair", {
    ...(label !== undefined && { label }),
    ...(role !== undefined && { role: readRole(role) }),
    ...(ttl !== undefined && { ttl: readLifetime(ttl) }),
  })) as { code: string; role: string; expiresAt: string; command: string };
  if (given.json) return printJson(issued);
  return print(
    `code ${issued.code}, for one controller with the role ${issued.role}, ` +
      `valid for ${ttl ?? formatMinutes(PAIRING.codeLifetime)}\ntype on the laptop:\n  ${issued.command}`,
  );
}

function readRole(word: string): Role {
  if (isRole(word)) return word;
  throw new TetherError("usage", `--role ${word}: allowed are ${ROLES.join(", ")}`);
}

function readLifetime(word: string): number {
  const most = PAIRING.longestCodeLifetime;
  try {
    const ttl = parseDuration(word);
    if (ttl > 0 && ttl <= most) return ttl;
  } catch (thrown) {
    throw new TetherError("usage", `--ttl ${asTetherError(thrown).message}`);
  }
  throw new TetherError(
    "usage",
    `--ttl ${word}: allowed is more than nothing and at most ${most / 3_600_000}h`,
  );
}

function formatMinutes(milliseconds: number): string {
  return `${milliseconds / 60_000}m`;
}

async function status(given: Given): Promise<number> {
  const facts = (await askAgent(stateFolder(text(given.state)), "status")) as JsonObject;
  if (given.json) return printJson(facts);
  const width = Math.max(...Object.keys(facts).map((name) => name.length));
  const lines = Object.entries(facts).map(([name, value]) => {
    return `${name.padEnd(width)}  ${typeof value === "string" ? value : JSON.stringify(value)}`;
  });
  return print(lines.join("\n"));
}

async function controllers(given: Given): Promise<number> {
  const list = (await askAgent(stateFolder(text(given.state)), "controllers")) as JsonObject[];
  if (given.json) return printJson(list);
  if (list.length === 0) return print("no controller is paired (`tetherd pair` makes a code)");
  const lines = list.map(({ label, role, fingerprint, lastSeenAt, sessions }) =>
    [label, role, fingerprint, `last seen ${lastSeenAt}`, `${sessions} sessions`].join("  "),
  );
  return print(lines.join("\n"));
}

async function revoke(given: Given, [name = ""]: readonly string[]): Promise<number> {
  const folder = stateFolder(text(given.state));
  const revoked = (
    given.token
      ? await askAgent(folder, "revokeToken", { label: name })
      : await askAgent(folder, "revoke", { controller: name })
  ) as JsonObject;
  return given.json ? printJson(revoked) : print(`${revoked.label} is revoked`);
}

async function token(given: Given): Promise<number> {
  const label = text(given.label);
  const role = text(given.role);
  const made = (await askAgent(stateFolder(text(given.state)), "token", {
    ...(label !== undefined && { label }),
    ...(role !== undefined && { role: readRole(role) }),
  })) as JsonObject;
  if (given.json) return printJson(made);
  return print(`${made.token}\nthe token ${made.label}, with the role ${made.role}; it is not shown again`);
}

async function tokens(given: Given): Promise<number> {
  const list = (await askAgent(stateFolder(text(given.state)), "tokens")) as JsonObject[];
  if (given.json) return printJson(list);
  if (list.length === 0) return print("there is no token (`tetherd token` makes one)");
  return print(
    list.map(({ label, role, createdAt }) => [label, role, `made ${createdAt}`].join("  ")).join("\n"),
  );
}

async function check(given: Given): Promise<number> {
  const file = await configurationFile(text(given.config));
  const loaded = await loadConfiguration(file, { stateFolder: stateFolder(text(given.state)), known: KNOWN });
  if (loaded.ok) return print(`${file ?? "the built-in defaults"}: no mistake`);
  if (loaded.mistakes.length === 0) throw loaded.error;
  for (const mistake of loaded.mistakes) {
    process.stdout.write(`${formatMistake(file ?? "built-in defaults", mistake)}\n`);
  }
  return 1;
}

async function help(): Promise<number> {
  const width = Math.max(...Object.values(VERBS).map((verb) => verb.usage.length));
  return print(
    Object.values(VERBS)
      .map(({ usage, summary }) => `tetherd ${usage.padEnd(width)}  ${summary}`)
      .join("\n"),
  );
}

async function version(): Promise<number> {
  return print(`tetherd ${VERSION}`);
}

function text(value: string | boolean | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function printJson(value: unknown): number {
  return print(JSON.stringify(value));
}

function print(line: string): number {
  process.stdout.write(`${line}\n`);
  return 0;
}

// Whoever reads the log may go away; the agent's work goes on.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
