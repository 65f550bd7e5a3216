export { type Checked, checkConfiguration, defaultConfiguration, type Surroundings } from "./check.ts";
export type {
  Configuration,
  Gates,
  GatewayConfiguration,
  MqttConfiguration,
} from "./configuration.ts";
export type { Known } from "./device-rules.ts";
export { type LoadedConfiguration, loadConfiguration } from "./load.ts";
export { configurationFile, STANDARD_CONFIGURATION_FILE, stateFolder } from "./location.ts";
export { formatMistake, type Mistake } from "./mistake.ts";
export { needsRestart } from "./restart.ts";
