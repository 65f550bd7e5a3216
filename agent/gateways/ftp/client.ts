import type { SecureContext } from "node:tls";
import type { TetherError } from "../../../protocol/index.ts";
import type { GatewayConfiguration } from "../../config/index.ts";
import type { Files } from "../../files/index.ts";
import type { Log } from "../../log.ts";
import type { Refusals } from "../../server/index.ts";
import type { Attempts } from "./attempts.ts";
import type { BrokenUploads } from "./broken-uploads.ts";
import type { CommandTally } from "./command-tally.ts";
import type { DataChannel } from "./data-channel.ts";
import type { Fact } from "./listing.ts";

export type FtpConfiguration = GatewayConfiguration & { readonly kind: "ftp" };

/** What all clients of one gateway share. */
export interface FtpDoor {
  readonly configuration: FtpConfiguration;
  readonly files: Files;
  readonly log: Log;
  readonly refusals: Refusals;
  readonly attempts: Attempts;
  readonly broken: BrokenUploads;
  readonly tally: CommandTally;
  /** The certificate that is in force; undefined without `tls`. */
  readonly secureContext: () => SecureContext | undefined;
}

/** A client on its control connection, as the commands see it: how it has set things, and a way to answer. */
export interface Client {
  readonly door: FtpDoor;
  /** The client's address, and the one that it has connected to. */
  readonly address: string;
  readonly localAddress: string;
  /** What USER named. */
  user: string | undefined;
  /** Who is logged in. */
  login: string | undefined;
  wrongPasswords: number;
  /** True once the control connection is protected (RFC 4217). */
  readonly isSecure: boolean;
  /** True after PBSZ. */
  hasBufferSize: boolean;
  protectsData: boolean;
  /** Absolute. */
  folder: string;
  /** TYPE: text lines, or bytes as they are. */
  type: "A" | "I";
  /** Where the next transfer begins: what REST has said. */
  restart: number;
  /** What RNFR has named. */
  renaming: string | undefined;
  facts: readonly Fact[];
  /** True after EPSV ALL. */
  extendedPassiveOnly: boolean;
  /** The data connection that is arranged for the next transfer. */
  readonly channel: DataChannel | undefined;
  /** What ends the transfer under way. */
  readonly transfer: AbortController | undefined;

  /** Answers the command. */
  reply(code: number, ...lines: readonly string[]): void;
  /** Writes a part of an answer; resolves when more should be written. */
  send(text: string): Promise<void>;
  /** Gives up the data connection that is arranged, for this one if any. */
  arrange(channel: DataChannel | undefined): void;
  /** Takes the data connection that is arranged, which is the taker's to close. */
  takeChannel(): DataChannel | undefined;
  /** Carries out a transfer, which {@link transfer} ends; resolves as it does. */
  whileTransferring<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Answers, and then protects the control connection. */
  protect(code: number, line: string): Promise<void>;
  /** Answers, and ends the connection. */
  end(code: number, line: string): void;
  /** Resolves after so many milliseconds, or when the client has gone. */
  pause(milliseconds: number): Promise<void>;
  /** Writes into the log what the client was refused. */
  noteRefusal(error: TetherError): void;
}

/** True when the client may change files. */
export function mayWrite({ door }: Client): boolean {
  return door.configuration.role !== "viewer";
}
