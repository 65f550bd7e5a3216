export type { DiscoveryEvent } from "./agent-ledger.ts";
export {
  type DiscoverOptions,
  type DiscoveryNote,
  discover,
  findAgent,
  type SearchOptions,
} from "./discover.ts";
export type { FoundAgent } from "./found-agent.ts";
export { watch } from "./watch.ts";
