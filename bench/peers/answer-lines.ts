import { createInterface } from "node:readline";

/** Answers each JSON line on stdin with one on stdout, after a first one that says that all is ready. */
export async function answerLines(
  ready: unknown,
  answer: (question: never) => Promise<unknown>,
): Promise<void> {
  console.log(JSON.stringify(ready));
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(JSON.parse(line) as never)));
  }
}
