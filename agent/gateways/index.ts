export type { Gateway, GatewayFacts, GatewayServices } from "./gateway.ts";
export { Gateways } from "./gateways.ts";
