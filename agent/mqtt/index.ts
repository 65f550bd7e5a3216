export { MqttService } from "./service.ts";
export type { MqttServices, MqttState } from "./session.ts";
