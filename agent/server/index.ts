export { CallGate } from "./call-gate.ts";
export { CallScope, settleWithin } from "./call-scope.ts";
export { Listener } from "./listener.ts";
export { Refusals } from "./refusals.ts";
export type { Services } from "./services.ts";
