import type { GatewayConfiguration } from "../../config/index.ts";
import type { Gateway, GatewayServices } from "../gateway.ts";
import { PortGateway } from "./port-gateway.ts";
import { RawClient } from "./raw-client.ts";
import { Rfc2217Client } from "./rfc2217-client.ts";

/** A device's port for programs that speak RFC 2217. */
export function createRfc2217Gateway(
  configuration: GatewayConfiguration & { readonly kind: "rfc2217" },
  services: GatewayServices,
): Gateway {
  const { device } = configuration;
  return new PortGateway(
    configuration,
    services,
    (arrival, door) => new Rfc2217Client(device, arrival, door),
  );
}

/** A device's bytes as they are. */
export function createSerialGateway(
  configuration: GatewayConfiguration & { readonly kind: "serial" },
  services: GatewayServices,
): Gateway {
  return new PortGateway(
    configuration,
    services,
    (arrival, door) => new RawClient(configuration, arrival, door),
  );
}
