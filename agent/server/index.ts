export { CallGate } from "./call-gate.ts";
export { Listener } from "./listener.ts";
export type { Services } from "./services.ts";
