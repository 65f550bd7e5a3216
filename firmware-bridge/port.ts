import { TetherError } from "../protocol/errors.ts";
import { SERIAL } from "../protocol/limits.ts";
import type { Link, LinkReceiver } from "./link/link.ts";
import { choosePort, listPorts } from "./link/ports.ts";
import type { PortSettings } from "./link/settings.ts";
import { checkTty, openTty } from "./link/tty.ts";
import type { PortChoice } from "./profile.ts";
import { createSimulation, type Note, openRecording, SIMULATIONS } from "./simulate/index.ts";

/** Where a device hangs: found first, opened then, again and again. */
export interface Port {
  /** Milliseconds after which it is looked for again while it is not there. */
  readonly interval: number;
  /** The path it has now; throws TetherError `device-missing` or `device-failed`. */
  locate(signal: AbortSignal): Promise<string>;
  /** Opens it there; throws TetherError `device-missing`, `busy` or `device-failed`. */
  open(path: string, receiver: LinkReceiver, settings: PortSettings): Promise<Link>;
}

/**
 * The port that a profile means.
 *
 * @param note gets what does not go as it does on a real port.
 * @throws TetherError `invalid` for an unknown simulation or a match without a condition.
 */
export function createPort(choice: PortChoice, note: Note): Port {
  switch (choice.kind) {
    case "path":
      return pathPort(choice);
    case "match":
      return matchedPort(choice);
    case "simulate":
      return choice.what.startsWith("/") ? recordedPort(choice.what, note) : simulatedPort(choice.what);
  }
}

function pathPort({ path }: Extract<PortChoice, { kind: "path" }>): Port {
  return {
    interval: SERIAL.reopenInterval,
    async locate() {
      await checkTty(path);
      return path;
    },
    open: (found, receiver, settings) => openTty({ path: found, ...settings }, receiver),
  };
}

function matchedPort(choice: Extract<PortChoice, { kind: "match" }>): Port {
  const { vendorId, productId, serialNumber } = choice;
  if (!vendorId && !productId && !serialNumber) {
    throw new TetherError(
      "invalid",
      "serial.match needs one of vendorId, productId, serialNumber, not empty",
    );
  }
  return {
    // A list costs a run of udevadm, which takes a while on a Pi.
    interval: SERIAL.retryInterval,
    locate: async (signal) => choosePort(choice, await listPorts(signal)).path,
    open: (found, receiver, settings) => openTty({ path: found, ...settings }, receiver),
  };
}

function simulatedPort(what: string): Port {
  const board = createSimulation(what);
  if (!board) {
    const message = `there is no simulation "${what}"; allowed: ${SIMULATIONS.join(", ")}`;
    throw new TetherError("invalid", message);
  }
  return {
    interval: SERIAL.reopenInterval,
    locate: async () => `simulate:${what}`,
    open: async (_path, receiver, settings) => board.open(receiver, settings),
  };
}

function recordedPort(path: string, note: Note): Port {
  return {
    interval: SERIAL.retryInterval,
    locate: async () => `simulate:${path}`,
    open: async (_path, receiver, settings) => (await openRecording(path, note)).open(receiver, settings),
  };
}
