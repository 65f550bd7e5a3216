import type { GatewayConfiguration } from "../config/index.ts";
import type { Gateway, GatewaySurroundings } from "./gateway.ts";

type Kind = GatewayConfiguration["kind"];

/** Loads a kind's code and makes a gateway of it. */
type Make<K extends Kind> = (
  configuration: GatewayConfiguration & { readonly kind: K },
  surroundings: GatewaySurroundings,
) => Promise<Gateway>;

/** The one table of kinds; one that this version does not serve is undefined. Each is loaded when it is used. */
const KINDS: { readonly [K in Kind]: Make<K> | undefined } = {
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
  rfc2217: undefined,
  serial: undefined,
};

/** Makes the gateway of a configuration, not started yet; undefined for a kind that this version does not serve. */
export async function createGateway(
  configuration: GatewayConfiguration,
  surroundings: GatewaySurroundings,
): Promise<Gateway | undefined> {
  const make = KINDS[configuration.kind] as Make<Kind> | undefined;
  return make?.(configuration, surroundings);
}
