export { CallGate } from "./call-gate.ts";
export { Listener } from "./listener.ts";
export { Refusals } from "./refusals.ts";
export type { Services } from "./services.ts";
