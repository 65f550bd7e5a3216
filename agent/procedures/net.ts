import { isIP } from "node:net";
import { hostname } from "node:os";
import { PROCEDURES, TetherError } from "../../protocol/index.ts";
import { NameLookups } from "./name-lookups.ts";
import type { Procedure } from "./procedure.ts";

const text = { type: "string" } as const;

/** `net.*`: this machine's names, and names and addresses as its resolver knows them. */
export function netProcedures(): readonly Procedure[] {
  const lookups = new NameLookups();
  return [
    {
      name: "net.hostname",
      summary: "The agent's host name.",
      parameters: {},
      result: text,
      role: "viewer",
      retryable: true,
      run: () => hostname(),
    },
    {
      name: "net.fqdn",
      summary: "The agent's full host name, with its domain where the resolver knows one.",
      parameters: {},
      result: text,
      role: "viewer",
      retryable: true,
      run: (_, { signal }) => lookups.ownName(signal),
    },
    {
      name: "net.resolve",
      summary: "Every address of a host name.",
      parameters: { name: { type: "string", minLength: 1, maxLength: PROCEDURES.hostName } },
      result: { type: "array", items: text },
      role: "viewer",
      retryable: true,
      run: ({ name }, { signal }) => lookups.addressesOf(name as string, signal),
    },
    {
      name: "net.reverse",
      summary: "The host name of an IP address.",
      parameters: { address: { type: "string", maxLength: PROCEDURES.hostName } },
      result: text,
      role: "viewer",
      retryable: true,
      run: ({ address }, { signal }) => {
        if (isIP(address as string) === 0) {
          throw new TetherError(
            "invalid",
            `net.reverse: got ${JSON.stringify(address)}; allowed: an IPv4 or IPv6 address`,
          );
        }
        return lookups.nameOf(address as string, signal);
      },
    },
  ];
}
