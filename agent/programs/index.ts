export { programEnvironment } from "./environment.ts";
export { type JobDescription, Jobs } from "./jobs.ts";
export { type Ending, Program } from "./program.ts";
export { Programs } from "./programs.ts";
export { terminalCommand } from "./pseudo-terminal.ts";
export { type ResultFile, resultFiles } from "./result-files.ts";
export { type PlacedScript, WorkFolders } from "./work-folder.ts";
