import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { builtinProcedures, type CallContext, type Caller, Registry } from "../../agent/procedures/index.ts";
import { type ErrorCode, type JsonValue, parseJson, TetherError, writeJson } from "../../protocol/index.ts";
import { PYTHON } from "../peers.ts";

/** A registry with all that is built in. */
export function builtinRegistry(): Registry {
  const registry = new Registry();
  for (const procedure of builtinProcedures(
    { id: "a2", name: "greenhouse", version: "9.9.9", workers: 2 },
    registry,
  )) {
    registry.add(procedure);
  }
  return registry;
}

/** What a call comes with; a viewer's unless told otherwise. */
export function contextOf(caller: Partial<Caller> = {}, signal = new AbortController().signal): CallContext {
  return { caller: { label: "test", role: "viewer", origin: "127.0.0.1", ...caller }, signal };
}

/** The error of work that must fail, at once or later. */
export async function failure(work: () => unknown, code: ErrorCode): Promise<TetherError> {
  try {
    await work();
  } catch (error) {
    assert.ok(error instanceof TetherError, String(error));
    assert.equal(error.code, code, error.message);
    return error;
  }
  throw new assert.AssertionError({ message: `nothing failed; expected ${code}` });
}

/** Runs a program in Debian's Python: it finds `input` in `cases` and leaves its answer in `answers`. */
export function askPython(program: string, input: JsonValue): JsonValue {
  const python = spawnSync(
    PYTHON,
    [
      "-c",
      `import json,sys\nsys.set_int_max_str_digits(0)\ncases=json.load(sys.stdin)\n${program}\nprint(json.dumps(answers))`,
    ],
    { input: writeJson(input), encoding: "utf8", maxBuffer: 256 << 20 },
  );
  assert.equal(python.status, 0, python.stderr);
  return parseJson(python.stdout);
}
