export { AccessServer, type AccessServerOptions } from "./access-server.ts";
export type { ComPortInputs, ComPortOutputs, ComPortSettings, PortControl } from "./port-control.ts";
