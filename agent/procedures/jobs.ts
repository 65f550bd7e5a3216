import { type JsonObject, type JsonValue, PROGRAMS, readEnvironment } from "../../protocol/index.ts";
import type { Jobs } from "../programs/index.ts";
import type { Procedure, Schema } from "./procedure.ts";

const text: Schema = { type: "string" };
const count: Schema = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
const textOrNull: Schema = { type: ["string", "null"] };
const id: Schema = { type: "string", description: "as jobs.start gave it" };
const job: Schema = {
  type: "object",
  properties: {
    id: text,
    state: { enum: ["running", "ended"] },
    command: { type: "array", items: text },
    cwd: textOrNull,
    by: { type: "string", description: "label of the controller that started it" },
    startedAt: { type: "string", format: "date-time" },
    endedAt: textOrNull,
    exitCode: { type: ["integer", "null"], description: "128 + N when signal N ended it" },
    signal: textOrNull,
    fate: {
      enum: ["cancelled", "agent-stopped", "agent-restarted", null],
      description: "what ended it, where it did not end by itself",
    },
    outputBytes: count,
    keptBytes: count,
  },
};

/** `jobs.*`: programs that go on when the controller has gone. */
export function jobsProcedures(jobs: Jobs): readonly Procedure[] {
  return [
    {
      name: "jobs.start",
      summary: "Starts a program that goes on when the controller has gone.",
      parameters: {
        command: { type: "array", items: text, minItems: 1, description: "the program and its arguments" },
        cwd: { type: "string", description: "where to run it; the home folder unless given", default: "" },
        environment: { type: "object", description: "variables by name", default: {} },
      },
      result: { type: "object", properties: { id: text } },
      role: "admin",
      retryable: false,
      async run({ command, cwd, environment }, { caller }) {
        const started = await jobs.run({
          command: command as string[],
          cwd: cwd === "" ? undefined : (cwd as string),
          environment: readEnvironment(environment as JsonValue),
          by: caller.label,
          origin: caller.origin,
        });
        return { id: started.record.id };
      },
    },
    {
      name: "jobs.list",
      summary: "The jobs that run and those that have ended, the oldest first.",
      parameters: {},
      result: { type: "array", items: job },
      role: "admin",
      retryable: true,
      run: () => jobs.list(),
    },
    {
      name: "jobs.log",
      summary:
        "What a job has written, from a position on; with `wait`, once there is more or the job has ended.",
      parameters: {
        id,
        from: { ...count, description: "bytes of output to pass over", default: 0 },
        wait: { type: "boolean", default: false },
      },
      result: {
        type: "object",
        properties: {
          from: {
            ...count,
            description: "position of the first byte; later than asked for where less is kept",
          },
          next: { ...count, description: "position to ask from next" },
          end: { ...count, description: "bytes written so far" },
          pieces: {
            type: "array",
            items: {
              type: "object",
              properties: { output: { enum: ["stdout", "stderr"] }, data: { type: "string" } },
              description: "data in base64",
            },
          },
          job,
        },
      },
      role: "admin",
      retryable: true,
      async run({ id: name, from, wait }, { signal }): Promise<JsonObject> {
        const found = jobs.get(name as string);
        if (wait === true) await found.more(Number(from), signal);
        // Taken before the output: what is said of the end then holds for what is given.
        const description = found.describe();
        const part = await found.read(Number(from), PROGRAMS.logBytes);
        return {
          from: part.from,
          next: part.next,
          end: found.output.end,
          pieces: part.pieces.map(({ output, bytes }) => ({ output, data: bytes.toString("base64") })),
          job: description,
        };
      },
    },
    {
      name: "jobs.cancel",
      summary:
        "Ends a job: SIGTERM to all its processes, SIGKILL to what is left after 2 s. Gives how it ended.",
      parameters: { id },
      result: job,
      role: "admin",
      retryable: true,
      async run({ id: name }) {
        const found = jobs.get(name as string);
        found.end("cancelled");
        await found.ended;
        return found.describe();
      },
    },
  ];
}
