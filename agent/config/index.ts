export { type Checked, checkConfiguration, defaultConfiguration } from "./check.ts";
export type {
  Configuration,
  GatewayConfiguration,
  MqttConfiguration,
} from "./configuration.ts";
export type { Known } from "./device-rules.ts";
export { type LoadedConfiguration, loadConfiguration } from "./load.ts";
export { configurationFile, stateFolder } from "./location.ts";
export { formatMistake } from "./mistake.ts";
export { needsRestart } from "./restart.ts";
