import {
  asTetherError,
  CALLS,
  errorToRpc,
  type JsonObject,
  type JsonValue,
  TetherError,
  writeJson,
} from "../../protocol/index.ts";
import { isSchema } from "./plain-schema.ts";
import type { CallContext, Caller, Procedure, Schema } from "./procedure.ts";
import type { Listing, Registry } from "./registry.ts";
import type { AgentFacts } from "./system.ts";

/** Told of each member of a multicall that is refused, for the log: its own answer shows it to nobody else. */
export type OnRefused = (error: TetherError, procedure: string, caller: Caller) => void;

/** Through which a multicall's members go. */
interface MemberDoor {
  readonly registry: Registry;
  readonly onRefused: OnRefused;
}

const text = { type: "string" } as const;
const methodName = { methodName: text };

/**
 * What tells a stranger's client what there is: XML-RPC introspection, its multicall, and OpenRPC's discovery.
 * Each shows or calls only what the caller is let through to.
 */
export function introspectionProcedures(
  facts: AgentFacts,
  registry: Registry,
  onRefused: OnRefused,
): readonly Procedure[] {
  const shared = { role: "viewer", retryable: true, introspection: true } as const;
  return [
    {
      name: "system.listMethods",
      summary: "The names of all procedures.",
      parameters: {},
      result: { type: "array", items: text },
      ...shared,
      run: (_, { caller }) => registry.list("", caller).map(({ name }) => name),
    },
    {
      name: "system.methodHelp",
      summary: "What a procedure does and how it is called.",
      parameters: methodName,
      result: text,
      ...shared,
      run: (args, { caller }) => helpOf(registry.describe(args.methodName as string, caller)),
    },
    {
      name: "system.methodSignature",
      summary: "The XML-RPC types of a procedure: a list of one list, the result's type first.",
      parameters: methodName,
      result: { type: "array", items: { type: "array", items: text } },
      ...shared,
      run: (args, { caller }) => [signatureOf(registry.describe(args.methodName as string, caller))],
    },
    {
      name: "system.multicall",
      summary: "Several calls in one: each answer a list of one, or a fault in its place.",
      parameters: {
        calls: { type: "array", items: { type: "object" }, maxItems: CALLS.batch },
      },
      result: { type: "array" },
      ...shared,
      // Its members may be anything.
      retryable: false,
      run: ({ calls }, context) => callAll({ registry, onRefused }, calls as JsonObject[], context),
    },
    {
      name: "rpc.discover",
      summary: "The OpenRPC document of all procedures.",
      parameters: {},
      result: { type: "object" },
      ...shared,
      run: (_, { caller }) => openRpcDocument(facts, registry.list("", caller)),
    },
  ];
}

function helpOf({ name, summary, parameters }: Listing): string {
  const words = parametersOf(parameters).map(({ name: parameter, required, variadic }) => {
    if (variadic) return `[${parameter}…]`;
    return required ? parameter : `[${parameter}]`;
  });
  return `${summary} Usage: ${[name, ...words].join(" ")}`;
}

/** Types as XML-RPC names them; `undef` where the standard has none. */
function signatureOf({ parameters, result }: Listing): string[] {
  return [result, ...parametersOf(parameters).map(({ schema }) => schema)].map(xmlRpcType);
}

function xmlRpcType(schema: Schema): string {
  const types: { readonly [type: string]: string } = {
    integer: "int",
    number: "double",
    string: "string",
    boolean: "boolean",
    array: "array",
    object: "struct",
  };
  return (typeof schema.type === "string" ? types[schema.type] : undefined) ?? "undef";
}

interface ListedParameter {
  readonly name: string;
  readonly schema: Schema;
  readonly required: boolean;
  readonly variadic: boolean;
}

function parametersOf(parameters: Schema): ListedParameter[] {
  const required = parameters.required as string[];
  return Object.entries(parameters.properties as JsonObject).map(([name, value]) => {
    const schema = isSchema(value) ? value : {};
    return { name, schema, required: required.includes(name), variadic: schema.variadic === true };
  });
}

/** Runs the members in order, one after the other, each through the registry as a call of its own. */
async function callAll(
  door: MemberDoor,
  calls: readonly JsonObject[],
  context: CallContext,
): Promise<JsonValue[]> {
  const answers: JsonValue[] = [];
  let size = 0;
  // What a member yields is part of its answer, not of this call's.
  const { caller, signal } = context;
  const member = context.outlet === undefined ? context : { caller, signal };
  for (const call of calls) {
    context.signal.throwIfAborted();
    const answer = await callMember(door, call, member);
    size += writeJson(answer).length;
    if (size > CALLS.resultBytes) {
      throw new TetherError(
        "limit",
        `system.multicall: the answers are over ${CALLS.resultBytes} bytes together`,
      );
    }
    answers.push(answer);
  }
  return answers;
}

async function callMember(
  { registry, onRefused }: MemberDoor,
  call: JsonObject,
  context: CallContext,
): Promise<JsonValue> {
  try {
    const { methodName: name, params } = call;
    if (typeof name !== "string" || (params !== undefined && typeof params !== "object")) {
      throw new TetherError(
        "invalid",
        "system.multicall: a member is {methodName: a string, params: an array}",
      );
    }
    if (name === "system.multicall") {
      throw new TetherError("forbidden", "system.multicall cannot call itself");
    }
    return [await registry.call(name, params, context)];
  } catch (thrown) {
    const error = asTetherError(thrown);
    if (error.code === "forbidden") onRefused(error, String(call.methodName), context.caller);
    const { code, message } = errorToRpc(error);
    return { faultCode: code, faultString: message };
  }
}

/** OpenRPC 1.3.2; `x-role`, `x-retryable` and `x-variadic` are extensions of ours, which it leaves room for. */
function openRpcDocument(facts: AgentFacts, listings: readonly Listing[]): JsonObject {
  return {
    openrpc: "1.3.2",
    info: { title: `Tether agent ${facts.name}`, version: facts.version },
    methods: listings.map(({ name, summary, parameters, result, role, retryable }) => ({
      name,
      summary,
      paramStructure: "either",
      params: parametersOf(parameters).map(({ name: parameter, schema, required, variadic }) => ({
        name: parameter,
        required,
        schema,
        ...(variadic ? { "x-variadic": true } : {}),
      })),
      result: { name: "result", schema: result },
      "x-role": role,
      ...(retryable ? { "x-retryable": true } : {}),
    })),
  };
}
