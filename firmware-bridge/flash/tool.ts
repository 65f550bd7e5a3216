import type { FlashToolName, ResetName } from "./settings.ts";

/** How far a tool is, in percent of the step that it is at. */
export interface FlashProgress {
  readonly percent: number;
  /** `writing`, `verifying`. */
  readonly step: string;
}

/** Takes what a tool prints, in pieces as they come; gives how far it is where the piece says so. */
export type ProgressReader = (text: string) => FlashProgress | undefined;

/** One way to flash one file. */
export interface FlashPlan {
  readonly tool: FlashToolName;
  /** What brings the board into its bootloader first. */
  readonly reset: ResetName;
  /** The program that does it; absent where the agent itself copies the file to the board's drive. */
  readonly program?: ToolProgram;
}

/** A program of the system's that flashes. */
export interface ToolProgram {
  /** Its names, the first that is there being it; or its path. */
  readonly names: readonly string[];
  /** The Debian package that brings it. */
  readonly package: string;
  /** True where it is given the path of the board's serial port; false where it finds the board on USB. */
  readonly needsPort: boolean;
  /** Its arguments; both paths are absolute, so that neither is taken for an option. */
  args(port: string, file: string): readonly string[];
  /** Reads what it prints in one run. */
  progress(): ProgressReader;
}
