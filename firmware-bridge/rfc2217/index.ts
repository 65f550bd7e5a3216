export { AccessServer } from "./access-server.ts";
export { serveConnection } from "./connection.ts";
export { takePatiently } from "./patience.ts";
export type { ComPortInputs, ComPortOutputs, ComPortSettings, PortControl } from "./port-control.ts";
