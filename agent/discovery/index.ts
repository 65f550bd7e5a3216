export { Discovery } from "./discovery.ts";
export { MdnsAdvertiser } from "./mdns.ts";
export { DiscoveryResponder, type ResponderOptions } from "./responder.ts";
