export { createGcodeDriver } from "./driver.ts";
