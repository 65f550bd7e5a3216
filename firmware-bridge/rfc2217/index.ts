export { AccessServer } from "./access-server.ts";
export { serveConnection } from "./connection.ts";
export type { ComPortInputs, ComPortOutputs, ComPortSettings, PortControl } from "./port-control.ts";
