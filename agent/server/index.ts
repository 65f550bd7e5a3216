export { CallGate } from "./call-gate.ts";
export { CallScope, settleWithin } from "./call-scope.ts";
export { forwardServer } from "./forward-stream.ts";
export { KeyedCalls } from "./keyed-calls.ts";
export { Listener } from "./listener.ts";
export { plainAddress } from "./peer.ts";
export { Places, type Release } from "./places.ts";
export { Refusals } from "./refusals.ts";
