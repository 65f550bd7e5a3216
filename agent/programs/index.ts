export { programEnvironment } from "./environment.ts";
export { Jobs } from "./jobs.ts";
export { Program } from "./program.ts";
export { Programs } from "./programs.ts";
export { terminalCommand } from "./pseudo-terminal.ts";
export { resultFiles } from "./result-files.ts";
export type { PlacedScript } from "./work-folder.ts";
