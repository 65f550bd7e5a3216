import { COMPUTE, FLASH, TetherError } from "../../protocol/index.ts";
import { type CallContext, decodeBase64, type Procedure } from "../procedures/index.ts";
import type { FlashSurroundings, FlashWish } from "./flasher.ts";

/** `devices.flash`. */
export function flashProcedures(around: FlashSurroundings): readonly Procedure[] {
  const text = { type: "string" };
  return [
    {
      name: "devices.flash",
      summary:
        "Takes a device's port from all who use it, writes a program into its board, and gives it back.",
      parameters: {
        device: { type: "string", description: "name of a declared device" },
        name: { type: "string", minLength: 1, maxLength: 255, description: "of the file; its ending counts" },
        content: {
          type: "string",
          maxLength: 4 * Math.ceil(FLASH.fileBytes / 3),
          description: "of the file, in base64",
        },
        take: {
          type: "boolean",
          default: false,
          description: "take the port from whoever holds it; for an admin",
        },
        verbose: {
          type: "boolean",
          default: false,
          description: "reports of progress are the lines that the tool prints",
        },
      },
      result: {
        type: "object",
        properties: {
          device: text,
          tool: text,
          bytes: { type: "integer", description: "of the file" },
          seconds: { type: "number" },
          state: { type: "string", description: "of the device, afterwards" },
        },
      },
      role: "operator",
      retryable: false,
      async run(args, context) {
        const { device, name, content, take, verbose } = args as {
          device: string;
          name: string;
          content: string;
          take: boolean;
          verbose: boolean;
        };
        const bytes = decodeBase64(content);
        if (bytes === undefined) throw new TetherError("invalid", "the content is no base64");
        const { flash } = await import("./flasher.ts");
        const { caller, signal } = context;
        const work = flash(
          { device, name, content: bytes, take, caller, signal, ...reportsTo(context, verbose) },
          around,
        );
        // It outlives its caller, and the agent waits for it when it stops.
        around.programs.follow(
          work.then(
            () => undefined,
            () => undefined,
          ),
        );
        return await work;
      },
    },
  ];
}

/** Tells of the progress no faster than anybody can look; of lines, each. */
function reportsTo({ outlet }: CallContext, verbose: boolean): Pick<FlashWish, "onProgress" | "onLine"> {
  let reported = Number.NEGATIVE_INFINITY;
  let latest = { done: 0, total: 100 };
  return {
    onProgress(progress) {
      latest = { done: progress.done, total: progress.total ?? latest.total };
      const now = performance.now();
      if (verbose || (now - reported < COMPUTE.progressInterval && progress.done !== progress.total)) return;
      reported = now;
      outlet?.onProgress?.(progress);
    },
    onLine(line) {
      if (verbose) outlet?.onProgress?.({ ...latest, note: line.slice(0, COMPUTE.noteLength) });
    },
  };
}
