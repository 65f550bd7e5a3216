import { networkInterfaces } from "node:os";
import { DRIVERS, SIMULATIONS } from "../firmware-bridge/index.ts";
import {
  asTetherError,
  CONNECTIONS,
  type Identity,
  type JsonObject,
  TetherError,
  VERSION,
} from "../protocol/index.ts";
import { Pool, type PoolSettings, UserProcedures } from "./compute/index.ts";
import { type Configuration, type Known, loadConfiguration, needsRestart } from "./config/index.ts";
import { type OwnerActs, ownerProcedures } from "./control/procedures.ts";
import { ControlServer } from "./control/server.ts";
import { commandFiles, DeviceDesk } from "./devices/index.ts";
import { Discovery } from "./discovery/index.ts";
import { Files } from "./files/index.ts";
import { flashProcedures } from "./flash/index.ts";
import { Gateways } from "./gateways/index.ts";
import {
  Controllers,
  loadAgentIdentity,
  lockState,
  PairingDesk,
  StateFolder,
  Tokens,
} from "./identity/index.ts";
import type { Log, LogFacts } from "./log.ts";
import { MqttService } from "./mqtt/index.ts";
import {
  builtinProcedures,
  type Caller,
  filesProcedures,
  jobsProcedures,
  Registry,
} from "./procedures/index.ts";
import { Jobs, Programs } from "./programs/index.ts";
import { CallGate, forwardServer, KeyedCalls, Listener, Refusals } from "./server/index.ts";

/** Milliseconds that calls in flight get to finish when the agent stops. */
const FINISH_WITHIN = 3_500;

/** Names that a configuration may use, which depend on what this version can do. */
export const KNOWN: Known = { drivers: DRIVERS, simulations: SIMULATIONS };

/** What an agent runs on. */
export interface AgentOptions {
  readonly configuration: Configuration;
  /** Absent when the built-in defaults are in force. */
  readonly configurationFile: string | undefined;
  readonly statePath: string;
  readonly log: Log;
}

/** The daemon: the only place that wires the rooms together. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #started = performance.now();
  /** Undone last to first when the agent stops, or when a start fails halfway. */
  readonly #undo: (() => unknown)[] = [];
  #configuration: Configuration;
  #reading: Promise<void> = Promise.resolve();
  #reload: ((next: Configuration) => Promise<void>) | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#configuration = options.configuration;
  }

  /**
   * Starts everything; resolves once everything listens.
   *
   * @throws TetherError with one clear line about what stands in the way; nothing is left running then
   */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Finishes or refuses what is in flight, says goodbye, and leaves nothing running. */
  async stop(): Promise<void> {
    this.#reload = undefined;
    await this.#reading;
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) {
      try {
        await undo();
      } catch (thrown) {
        // A full disk, for instance, must not keep the rest from ending.
        const error = asTetherError(thrown);
        this.#options.log.error("stop-failed", error.message, { code: error.code });
      }
    }
  }

  /** Reads the configuration again; a bad file is reported and the old one stays. */
  reload(): Promise<void> {
    // One after the other, or two would open the same port.
    const reading = this.#reading.then(() => this.#readAgain());
    this.#reading = reading.catch(() => undefined);
    return reading;
  }

  async #readAgain(): Promise<void> {
    if (this.#reload === undefined) return;
    const { log, configurationFile, statePath } = this.#options;
    const loaded = await loadConfiguration(configurationFile, { stateFolder: statePath, known: KNOWN });
    if (!loaded.ok) {
      log.error("configuration-refused", `the old configuration stays: ${loaded.error.message}`);
      return;
    }
    // Against what the agent was started with, which is what is in force.
    const restart = needsRestart(this.#options.configuration, loaded.configuration);
    this.#configuration = loaded.configuration;
    await this.#reload?.(loaded.configuration);
    const note = restart.length === 0 ? "" : `; ${restart.join(" and ")} take effect after a restart`;
    log.info("configuration-read", `the configuration was read again${note}`, {
      ...(restart.length > 0 && { needsRestart: restart.join(",") }),
    });
  }

  async #start(): Promise<void> {
    const { log, statePath } = this.#options;
    const folder = StateFolder.open(statePath);
    const lock = lockState(folder);
    this.#undo.push(() => lock.release());
    const { identity, made } = await loadAgentIdentity(folder);
    if (made)
      log.info("key-made", `made a new key, ${identity.fingerprint}`, { fingerprint: identity.fingerprint });

    const controllers = new Controllers(folder, {
      report: (error) => log.error("state-not-written", `cannot write the state: ${error.message}`),
    });
    controllers.start();
    this.#undo.push(() => controllers.stop());

    const tokens = new Tokens(folder);
    tokens.start();

    const registry = new Registry();
    const facts = () => ({ name: this.#configuration.name, tags: this.#configuration.tags });
    const workers = () => this.#configuration.compute.workers;
    const agentFacts = {
      id: identity.id,
      version: VERSION,
      get name() {
        return facts().name;
      },
      get workers() {
        return workers();
      },
    };
    const refusals = new Refusals(log);
    const onRefused = (error: TetherError, procedure: string, caller: Caller) =>
      refusals.note(
        "forbidden",
        `refused a call: ${error.message}`,
        { label: caller.label, role: caller.role, address: caller.origin, procedure },
        performance.now(),
      );
    for (const procedure of builtinProcedures(agentFacts, registry, onRefused)) registry.add(procedure);

    const files = new Files(this.#configuration.files.root, this.#configuration.files.quota);
    files.start();
    this.#undo.push(() => files.stop());
    for (const procedure of filesProcedures(files)) registry.add(procedure);

    const programs = new Programs(folder.pathOf("work"), () => this.#configuration.compute.exec);
    programs.start();
    const jobs = new Jobs(folder.pathOf("jobs"), programs, log);
    await jobs.start();
    this.#undo.push(() => jobs.stop());
    for (const procedure of jobsProcedures(jobs)) registry.add(procedure);

    const desk = new DeviceDesk({ registry, log, files: commandFiles(files) });
    desk.start();
    this.#undo.push(() => desk.stop());
    for (const procedure of flashProcedures({ desk, programs, log })) registry.add(procedure);

    const pool = new Pool(
      log,
      (method, params, context) => registry.call(method, params, context),
      poolSettings(this.#configuration),
    );
    this.#undo.push(() => pool.stop());
    const userProcedures = new UserProcedures(registry, pool, log, procedurePlaces(this.#configuration));
    this.#undo.push(() => userProcedures.stop());

    const calls = new CallGate(this.#configuration.limits.queuedCalls);
    const keyed = new KeyedCalls(registry, calls);
    const pairing = new PairingDesk();
    const listener = new Listener({
      ...this.#configuration.listen,
      limits: { ...this.#configuration.limits, unpaired: CONNECTIONS.unpaired },
      services: {
        identity,
        log,
        refusals,
        registry,
        controllers,
        pairing,
        calls,
        keyed,
        files,
        devices: desk,
        programs,
        forward: forwardServer(),
        facts,
      },
    });
    await listener.start();
    const gateways = new Gateways({
      registry,
      calls,
      files,
      devices: desk,
      log,
      refusals,
      tokens,
      name: () => facts().name,
      overview: () => ({
        devices: desk.list().map(({ state }) => state),
        controllers: controllers.list().length,
        sessions: countOf(listener.sessions()),
      }),
    });
    this.#undo.push(async () => {
      const signal = AbortSignal.timeout(FINISH_WITHIN);
      await Promise.all([listener.stop(signal), gateways.stop(signal), jobs.stop(), programs.stop()]);
      keyed.end(new TetherError("unreachable", "the agent is stopping"));
    });

    const mqtt = new MqttService({ log, refusals, registry, calls, desk });
    const acts = this.#ownerActs({
      identity,
      controllers,
      tokens,
      pairing,
      listener,
      keyed,
      desk,
      mqtt,
      gateways,
    });
    const ownerRegistry = new Registry();
    for (const procedure of ownerProcedures(acts)) ownerRegistry.add(procedure);
    const control = new ControlServer(statePath, ownerRegistry);
    await control.start();
    this.#undo.push(() => control.stop());

    await desk.declare(this.#configuration.devices);
    this.#undo.push(() => mqtt.stop());
    await mqtt.configure(this.#configuration.mqtt, { ...agentFacts });
    const discovery = new Discovery({
      identity,
      service: () => listener.address,
      log: (event, details) => log.warn(event, event.replaceAll("-", " "), details as LogFacts),
    });
    this.#undo.push(() => discovery.stop());
    await discovery.apply(this.#configuration);
    await userProcedures.start();
    await gateways.apply(this.#configuration.gateways);

    this.#reload = async (next) => {
      listener.setLimits({ ...next.limits, unpaired: CONNECTIONS.unpaired });
      calls.setLimit(next.limits.queuedCalls);
      files.room.setLimit(next.files.quota);
      await desk.declare(next.devices);
      pool.configure(poolSettings(next));
      await userProcedures.configure(procedurePlaces(next));
      await mqtt.configure(next.mqtt, { ...agentFacts });
      await gateways.apply(next.gateways);
      await discovery.apply(next).catch((thrown: unknown) => {
        const error = asTetherError(thrown);
        log.error("discovery-failed", `discovery stays as it was: ${error.message}`, { code: error.code });
      });
    };
    const { address, port } = listener.address;
    log.info("ready", `${this.#configuration.name} is ready on port ${port}`, {
      id: identity.id,
      name: this.#configuration.name,
      address,
      port,
      fingerprint: identity.fingerprint,
      version: VERSION,
      pid: process.pid,
    });
  }

  #ownerActs(rooms: {
    readonly identity: Identity;
    readonly controllers: Controllers;
    readonly tokens: Tokens;
    readonly pairing: PairingDesk;
    readonly listener: Listener;
    readonly keyed: KeyedCalls;
    readonly desk: DeviceDesk;
    readonly mqtt: MqttService;
    readonly gateways: Gateways;
  }): OwnerActs {
    const { identity, controllers, tokens, pairing, listener, keyed, desk, mqtt, gateways } = rooms;
    const { log } = this.#options;
    return {
      issueCode: (wish) => {
        const issued = pairing.issue(wish, { monotonic: performance.now(), wall: new Date() });
        log.info("code-issued", `a pairing code for the role ${issued.role} was made`, {
          role: issued.role,
          expiresAt: issued.expiresAt.toISOString(),
          by: "owner",
        });
        return issued;
      },
      reachableAt: () => reachableAt(listener.address),
      status: (): JsonObject => ({
        id: identity.id,
        name: this.#configuration.name,
        version: VERSION,
        pid: process.pid,
        uptimeSeconds: Math.round((performance.now() - this.#started) / 1000),
        fingerprint: identity.fingerprint,
        listen: [{ ...listener.address }],
        gateways: gateways.facts(),
        devices: desk.list().map(({ name, driver, state }) => ({ name, driver, state })),
        mqtt: mqtt.status,
        controllers: controllers.list().length,
        sessions: countOf(listener.sessions()),
      }),
      controllers: () => {
        const sessions = listener.sessions();
        return controllers
          .list()
          .map((controller) => ({ ...controller, sessions: sessions.get(controller.fingerprint) ?? 0 }));
      },
      revoke: async (name) => {
        const { label, fingerprint, role } = await controllers.revoke(name);
        const reason = new TetherError("unauthorized", "this controller was revoked");
        listener.endSessions(fingerprint, reason);
        keyed.end(reason, fingerprint);
        log.warn("revoked", `${label} was revoked`, { label, fingerprint, role, by: "owner" });
        return { label, fingerprint, role };
      },
      makeToken: async (wish) => {
        const made = await tokens.add(wish);
        const { label, role } = made;
        log.info("token-made", `the token ${label} for the role ${role} was made`, {
          label,
          role,
          by: "owner",
        });
        return made;
      },
      tokens: () => tokens.list(),
      revokeToken: async (name) => {
        const revoked = await tokens.revoke(name);
        const { label, role } = revoked;
        log.warn("token-revoked", `the token ${label} was revoked`, { label, role, by: "owner" });
        return revoked;
      },
    };
  }
}

/** Half of the calls that the agent takes: however many wait for a process, a light one finds its place. */
function poolSettings({ compute, limits }: Configuration): PoolSettings {
  const { workers, memory, procedures } = compute;
  return { workers, memory, queued: Math.ceil(limits.queuedCalls / 2), folder: procedures };
}

function procedurePlaces({ compute, files }: Configuration) {
  return { folder: compute.procedures, filesRoot: files.root };
}

/** Sessions of all controllers together. */
function countOf(sessions: ReadonlyMap<string, number>): number {
  return [...sessions.values()].reduce((sum, count) => sum + count, 0);
}

/** The addresses of a listener as others reach it; those of other machines' networks first. */
function reachableAt({
  address,
  port,
}: {
  address: string;
  port: number;
}): { address: string; port: number }[] {
  if (address !== "::" && address !== "0.0.0.0") return [{ address, port }];
  const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  const usable = all.filter(
    (entry) => (entry.family === "IPv4" || address === "::") && !entry.address.startsWith("fe80:"),
  );
  const rank = (entry: (typeof all)[number]) => (entry.internal ? 2 : 0) + (entry.family === "IPv4" ? 0 : 1);
  return usable.sort((a, b) => rank(a) - rank(b)).map((entry) => ({ address: entry.address, port }));
}
