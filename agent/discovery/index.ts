export { Discovery, type DiscoveryOptions, type Visibility } from "./discovery.ts";
export { MdnsAdvertiser, type MdnsOptions } from "./mdns.ts";
export { DiscoveryResponder, type ResponderOptions } from "./responder.ts";
