import { setTimeout as delay } from "node:timers/promises";
import { asTetherError } from "../../protocol/errors.ts";
import { COM_PORT } from "../../protocol/limits.ts";

/**
 * Takes a port, trying again for a moment where it is held: a program that is run twice in a row comes back before
 * the port has been put back as it was. Throws what `take` throws.
 */
export async function takePatiently<T>(take: () => Promise<T>): Promise<T> {
  for (let waited = 0; ; waited += COM_PORT.retryInterval) {
    try {
      return await take();
    } catch (thrown) {
      if (asTetherError(thrown).code !== "busy" || waited >= COM_PORT.patience) throw thrown;
    }
    await delay(COM_PORT.retryInterval);
  }
}
