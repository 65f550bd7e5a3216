import type { ProgramRequest } from "../../protocol/index.ts";
import type { ProgramEnds } from "./remote-program.ts";

/** This process's terminal, lent to a program on an agent. */
export interface LentTerminal {
  readonly request: NonNullable<ProgramRequest["terminal"]>;
  readonly onResize: NonNullable<ProgramEnds["onResize"]>;
  /** Gives it back. */
  release(): void;
}

/**
 * Hands every key to the program, Ctrl-C too, and tells the terminal's size. Where input is no terminal, as from
 * a pipe, it is passed on as it is, and the size is that of the output, or 80 by 24.
 */
export function lendTerminal(stdin: NodeJS.ReadStream, stdout: NodeJS.WriteStream): LentTerminal {
  const size = () => ({ columns: stdout.columns ?? 80, rows: stdout.rows ?? 24 });
  let onChange = () => {};
  if (stdin.isTTY) stdin.setRawMode(true);
  return {
    request: { ...size(), type: process.env.TERM ?? "dumb" },
    onResize(listener) {
      onChange = () => listener(size());
      stdout.on("resize", onChange);
    },
    release() {
      stdout.off("resize", onChange);
      if (stdin.isTTY) stdin.setRawMode(false);
    },
  };
}
