import type { Socket } from "node:net";
import type { TetherError } from "../../../protocol/index.ts";
import type { GatewayConfiguration } from "../../config/index.ts";
import type { DeviceDesk } from "../../devices/index.ts";

export type PortConfiguration = GatewayConfiguration & { readonly kind: "rfc2217" | "serial" };

/** What all clients of one gateway share. */
export interface PortDoor {
  readonly devices: DeviceDesk;
  /** Writes into the log, and counts, what a client was refused. */
  readonly refuse: (error: TetherError, origin: string) => void;
}

/** Who has connected. */
export interface Arrival {
  /** Reads nothing yet. */
  readonly socket: Socket;
  /** The client's address. */
  readonly origin: string;
  /** Its address and port, for those who are told who holds the port. */
  readonly label: string;
}

/** A client of a gateway to a port. */
export interface PortClient {
  /** Settles once it is gone and has given back what it had. */
  readonly done: Promise<void>;
  /** When bytes last went either way, by the steady clock. */
  readonly lastActive: number;
  /** Ends the connection; the client is told why, where its protocol has words for it. */
  end(reason: TetherError): void;
}
