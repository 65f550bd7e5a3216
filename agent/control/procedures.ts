import { formatHostPort, type JsonObject, type JsonValue, ROLES, type Role } from "../../protocol/index.ts";
import type { TokenFacts } from "../identity/index.ts";
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
  makeToken(wish: { role: Role; label: string }): Promise<TokenFacts & { token: string }>;
  tokens(): TokenFacts[];
  revokeToken(label: string): Promise<TokenFacts>;
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
    {
      ...local,
      name: "token",
      summary: "Makes a bearer token for gateways.",
      parameters: {
        role: { type: "string", enum: [...ROLES], default: "viewer" },
        label: { type: "string", default: "token" },
      },
      run: ({ role, label }): Promise<JsonValue> =>
        acts.makeToken({ role: role as Role, label: label as string }),
    },
    { ...local, name: "tokens", summary: "The bearer tokens.", parameters: {}, run: () => acts.tokens() },
    {
      ...local,
      name: "revokeToken",
      summary: "Makes a bearer token worth nothing.",
      parameters: { label: { type: "string" } },
      run: ({ label }): Promise<JsonValue> => acts.revokeToken(label as string),
    },
  ];
}
