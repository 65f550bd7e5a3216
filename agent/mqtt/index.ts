export { MqttService } from "./service.ts";
