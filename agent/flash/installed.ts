import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { FlashPlan, ToolProgram } from "../../firmware-bridge/index.ts";
import { TetherError } from "../../protocol/index.ts";

/** A way to flash whose program is there. */
export interface InstalledPlan extends FlashPlan {
  /** Path of the program; undefined where the agent does it itself. */
  readonly path: string | undefined;
}

/**
 * The first of the ways whose program is there; `searched` is the PATH of the program's environment.
 *
 * @throws TetherError `not-found`, with what installs the best of them
 */
export async function choosePlan(plans: readonly FlashPlan[], searched: string): Promise<InstalledPlan> {
  for (const plan of plans) {
    if (plan.program === undefined) return { ...plan, path: undefined };
    const path = await findProgram(plan.program, searched);
    if (path !== undefined) return { ...plan, path };
  }
  throw notInstalled(plans[0]?.program);
}

async function findProgram({ names }: ToolProgram, searched: string): Promise<string | undefined> {
  for (const name of names) {
    const folders = searched.split(delimiter).filter((folder) => folder.startsWith("/"));
    const paths = name.startsWith("/") ? [name] : folders.map((folder) => join(folder, name));
    for (const path of paths) {
      const isThere = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
      if (isThere) return path;
    }
  }
  return undefined;
}

function notInstalled(program: ToolProgram | undefined): TetherError {
  const [name = ""] = program?.names ?? [];
  if (name.startsWith("/")) {
    return new TetherError("not-found", `there is no program ${name} on the agent`, {
      hint: "the configuration names it, as `flash: { program: … }`",
    });
  }
  return new TetherError("not-found", `${name} is not installed on the agent`, {
    hint: `on the Pi: sudo apt install ${program?.package}`,
  });
}
