import { answerLines } from "./answer-lines.ts";

/** Handshakes under way at once. */
const AT_ONCE = 16;

/** Opens as many more connections as it is asked for, and says when they stand; ends when one of them breaks. */
export async function serveHolder(open: () => Promise<void>): Promise<void> {
  await answerLines("ready", async (count: number) => {
    let left = count;
    const worker = async () => {
      while (left-- > 0) await open();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return count;
  });
}
