export { type Image, readImage } from "./image.ts";
export { planFlash } from "./plan.ts";
export { playReset } from "./reset.ts";
export type { FlashPlan, ToolProgram } from "./tool.ts";
