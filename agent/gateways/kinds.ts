import type { GatewayConfiguration } from "../config/index.ts";
import type { Gateway, GatewaySurroundings } from "./gateway.ts";

type Kind = GatewayConfiguration["kind"];

/** Loads a kind's code and makes a gateway of it. */
type Make<K extends Kind> = (
  configuration: GatewayConfiguration & { readonly kind: K },
  surroundings: GatewaySurroundings,
) => Promise<Gateway>;

/** The one table of kinds. Each is loaded when it is used. */
const KINDS: { readonly [K in Kind]: Make<K> } = {
  tcp: async (configuration, surroundings) => {
    const { TcpGateway } = await import("./tcp.ts");
    return new TcpGateway(configuration, surroundings);
  },
  udp: async (configuration, surroundings) => {
    const { UdpGateway } = await import("./udp.ts");
    return new UdpGateway(configuration, surroundings);
  },
  unix: async (configuration, surroundings) => {
    const { UnixGateway } = await import("./unix.ts");
    return new UnixGateway(configuration, surroundings);
  },
  xmlrpc: async (configuration, surroundings) => {
    const { createXmlRpcGateway } = await import("./xmlrpc.ts");
    return createXmlRpcGateway(configuration, surroundings);
  },
  http: async (configuration, surroundings) => {
    const { createJsonRpcGateway } = await import("./http.ts");
    return createJsonRpcGateway(configuration, surroundings);
  },
  ftp: async (configuration, surroundings) => {
    const { FtpGateway } = await import("./ftp/index.ts");
    return new FtpGateway(configuration, surroundings);
  },
  rfc2217: async (configuration, surroundings) => {
    const { createRfc2217Gateway } = await import("./serial/index.ts");
    return createRfc2217Gateway(configuration, surroundings);
  },
  serial: async (configuration, surroundings) => {
    const { createSerialGateway } = await import("./serial/index.ts");
    return createSerialGateway(configuration, surroundings);
  },
};

/** Makes the gateway of a configuration, not started yet. */
export async function createGateway(
  configuration: GatewayConfiguration,
  surroundings: GatewaySurroundings,
): Promise<Gateway> {
  const make = KINDS[configuration.kind] as Make<Kind>;
  return await make(configuration, surroundings);
}
