import type { Client } from "./client.ts";

/** A command that the server knows. */
export interface Command {
  /** As HELP shows it. */
  readonly syntax: string;
  readonly argument: "none" | "optional" | "required";
  /** True for what may come before PASS. */
  readonly beforeLogin?: boolean;
  /** True for what leaves a REST or RNFR before it in force; they are for the next command otherwise. */
  readonly keepsPrelude?: boolean;
  /** Answers. What it throws is answered as a refusal of something there (550 and the like). */
  run(client: Client, argument: string): void | Promise<void>;
}

/** Commands by their verbs. */
export type Commands = { readonly [verb: string]: Command };
