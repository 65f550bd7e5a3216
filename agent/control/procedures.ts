import { formatHostPort, type JsonObject, type JsonValue, ROLES, type Role } from "../../protocol/index.ts";
import type { Procedure } from "../procedures/index.ts";

/** What `tetherd pair` shows. */
export interface PairingCode {
  readonly code: string;
  readonly role: Role;
  readonly expiresAt: Date;
}

/** What the owner's commands need of the running agent. */
export interface OwnerActs {
  issueCode(wish: { role: Role; label?: string; ttl?: number }): PairingCode;
  /** Addresses at which the agent is reached, the likeliest first. */
  reachableAt(): readonly { readonly address: string; readonly port: number }[];
  status(): JsonObject;
  controllers(): JsonObject[];
  revoke(labelOrFingerprint: string): Promise<JsonObject>;
}

/** What can be asked over the agent's own socket, and nowhere else. */
export function ownerProcedures(acts: OwnerActs): Procedure[] {
  const local = { role: "admin", retryable: false, result: {} } as const;
  return [
    {
      ...local,
      name: "pair",
      summary: "Makes a one-time pairing code.",
      parameters: {
        role: { type: "string", enum: [...ROLES], default: "admin" },
        label: { type: "string", default: "" },
        ttl: { type: "number", default: 0 },
      },
      run: ({ role, label, ttl }) => {
        const issued = acts.issueCode({
          role: role as Role,
          ...(label !== "" && { label: label as string }),
          ...(ttl !== 0 && { ttl: ttl as number }),
        });
        const [first] = acts.reachableAt();
        const where = first === undefined ? "HOST" : formatHostPort(first.address, first.port);
        return {
          code: issued.code,
          role: issued.role,
          expiresAt: issued.expiresAt.toISOString(),
          command: `tether pair ${where} --code ${issued.code}`,
        };
      },
    },
    { ...local, name: "status", summary: "How the agent stands.", parameters: {}, run: () => acts.status() },
    {
      ...local,
      name: "controllers",
      summary: "The paired controllers.",
      parameters: {},
      run: () => acts.controllers(),
    },
    {
      ...local,
      name: "revoke",
      summary: "Removes a controller; its sessions end at once.",
      parameters: { controller: { type: "string" } },
      run: ({ controller }): Promise<JsonValue> => acts.revoke(controller as string),
    },
  ];
}
