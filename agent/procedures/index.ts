import { bytesProcedures } from "./bytes.ts";
import { introspectionProcedures, type OnRefused } from "./introspection.ts";
import { mathProcedures } from "./math.ts";
import { netProcedures } from "./net.ts";
import type { Procedure } from "./procedure.ts";
import type { Registry } from "./registry.ts";
import { type AgentFacts, systemProcedures } from "./system.ts";
import { textProcedures } from "./text.ts";

export { decodeBase64 } from "./base64.ts";
export { filesProcedures } from "./files.ts";
export { jobsProcedures } from "./jobs.ts";
export { allowedBy } from "./patterns.ts";
export type { Arguments, CallContext, Caller, CallOutlet, Procedure, Schema } from "./procedure.ts";
export { type Listing, Registry } from "./registry.ts";
export type { AgentFacts } from "./system.ts";

/**
 * The procedures that need nothing but the agent itself; `registry` is the one they tell of and call through,
 * `onRefused` is told of what that refuses.
 */
export function builtinProcedures(
  facts: AgentFacts,
  registry: Registry,
  onRefused: OnRefused = () => undefined,
): readonly Procedure[] {
  return [
    ...mathProcedures,
    ...textProcedures,
    ...netProcedures(),
    ...bytesProcedures(),
    ...systemProcedures(facts),
    ...introspectionProcedures(facts, registry, onRefused),
  ];
}
