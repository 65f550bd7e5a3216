import { TetherError } from "../../protocol/index.ts";
import type { CommandContext } from "../command-context.ts";

/**
 * Asks the person for a secret, which is not shown as it is typed.
 *
 * @throws TetherError `usage` when there is no terminal to ask at, `cancelled` on Ctrl-C
 */
export function askHidden(question: string, { stdin, stderr }: CommandContext): Promise<string> {
  if (!stdin.isTTY) {
    throw new TetherError("usage", "there is no terminal to ask for the password at", {
      hint: "have --password-file name a file with it",
    });
  }
  stderr.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  stdin.resume();
  return new Promise((resolve, reject) => {
    let typed = "";
    const finish = () => {
      stdin.off("data", onData);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write("\n");
    };
    const onData = (text: string) => {
      for (const character of text) {
        if (character === "\r" || character === "\n") {
          finish();
          resolve(typed);
          return;
        }
        if (character === "\u0003" || character === "\u0004") {
          finish();
          reject(new TetherError("cancelled", "interrupted"));
          return;
        }
        typed = character === "\u007f" || character === "\b" ? typed.slice(0, -1) : typed + character;
      }
    };
    stdin.on("data", onData);
  });
}
