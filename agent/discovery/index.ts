export { MdnsAdvertiser, type MdnsOptions } from "./mdns.ts";
export { DiscoveryResponder, type ResponderOptions } from "./responder.ts";
