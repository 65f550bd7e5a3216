/** `udp-asker AGENT-PORT ECHO-PORT`: asks an agent, and the echo, in turn; gives microseconds of each. */
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { decodeDatagram, encodeQuestion, NONCE_BYTES, verifyAnswer } from "../../protocol/index.ts";
import { answerLines } from "./answer-lines.ts";

/** Milliseconds between two questions: an agent answers an address 20 times a second. */
const PAUSE = 60;

async function main([agent, echo]: readonly string[]): Promise<void> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const ask = async (port: number, accept: (bytes: Buffer) => boolean) => {
    const question = encodeQuestion(randomBytes(NONCE_BYTES));
    const start = performance.now();
    socket.send(question, port, "127.0.0.1");
    const [bytes] = (await once(socket, "message", { signal: AbortSignal.timeout(1_000) })) as [Buffer];
    if (!accept(bytes)) throw new Error("that is no answer");
    return 1000 * (performance.now() - start);
  };
  await answerLines("ready", async () => {
    await wait(PAUSE);
    return {
      agent: await ask(Number(agent), isAnswer),
      echo: await ask(Number(echo), (bytes) => bytes.length > 0),
    };
  });
}

function isAnswer(bytes: Buffer): boolean {
  const answer = decodeDatagram(bytes);
  return answer?.type === "answer" && verifyAnswer(answer) !== undefined;
}

main(process.argv.slice(2));
