import { answerCalls, encodeCall, Session, type Stream, TetherError } from "../../protocol/index.ts";

/** What one side wrote at once: `C` the controller, `A` the agent. */
export interface Utterance {
  readonly side: "C" | "A";
  readonly bytes: Buffer;
}

const AGENT = { id: "q2fzmb7cxvk4htwd", name: "greenhouse", tags: ["lab"], role: "operator" };

/** Plays the session that docs/protocol.md shows, between two real ends; gives what each wrote, in order. */
export async function playTranscript(): Promise<Utterance[]> {
  const said: Utterance[] = [];
  const served: Stream[] = [];
  const hello = { protocol: 1, oldest: 1, features: [] };
  const ignore = { onHello: () => undefined, onOutput: () => undefined, onClosed: () => undefined };
  const controller = new Session(
    {
      side: "controller",
      hello: { ...hello, software: "tether 0.1.0" },
      documentBytes: 1 << 20,
      events: { ...ignore, onOpen: () => undefined },
    },
    0,
  );
  const agent = new Session(
    {
      side: "agent",
      hello: { ...hello, software: "tetherd 0.1.0", agent: AGENT },
      documentBytes: 1 << 20,
      events: {
        ...ignore,
        onOpen(stream) {
          served.push(stream);
          stream.handlers = {
            async onDocument(text) {
              const answer = await answerCalls(text, ({ method, params }) => {
                if (method === "math.multiply") return (params as number[]).reduce((a, b) => a * b);
                if (method === "devices.bench.wait") return new Promise(() => undefined);
                throw new TetherError("not-found", `no procedure ${JSON.stringify(method)}`, {
                  hint: "did you mean math.multiply?",
                });
              });
              if (answer !== undefined) stream.sendDocument(answer, true);
            },
          };
        },
      },
    },
    0,
  );
  const exchange = async () => {
    while (controller.hasOutput || agent.hasOutput) {
      for (const [side, from, to] of [["C", controller, agent] as const, ["A", agent, controller] as const]) {
        const bytes = Buffer.concat(from.takeOutput(1 << 20));
        if (bytes.length === 0) continue;
        said.push({ side, bytes });
        to.receive(bytes, 0);
      }
      // Answers come in a later turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  await exchange();
  controller.open("call", encodeCall(1, { method: "math.multiply", params: [6, 7] }), true, {});
  await exchange();
  controller.open("call", encodeCall(1, { method: "math.multipl", params: { factors: [6, 7] } }), true, {});
  await exchange();
  const call = { method: "devices.bench.wait", params: [], timeoutMs: 60_000 };
  const waiting = controller.open("call", encodeCall(1, call), true, {});
  await exchange();
  served.at(-1)?.grant(65_536);
  await exchange();
  waiting.reset(new TetherError("cancelled", "interrupted"));
  await exchange();
  controller.ping(() => undefined, 0);
  await exchange();
  controller.close();
  await exchange();
  return said;
}
