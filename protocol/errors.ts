/**
 * The one error class of Tether and the one table of its codes.
 *
 * A code is stable and is what programs match on; a message is for people and may change.
 */

/** What a code means elsewhere: its JSON-RPC number on the wire and the exit code of a program it ends. */
interface CodeFacts {
  /** JSON-RPC 2.0 §5.1 error code; -32000 to -32099 are left to implementations. */
  readonly rpc: number;
  /** Exit code of `tether` and `tetherd`. */
  readonly exit: number;
}

const CODES = {
  usage: { rpc: -32000, exit: 2 },
  unreachable: { rpc: -32001, exit: 3 },
  timeout: { rpc: -32002, exit: 3 },
  unauthorized: { rpc: -32003, exit: 4 },
  forbidden: { rpc: -32004, exit: 4 },
  "not-found": { rpc: -32601, exit: 1 },
  exists: { rpc: -32005, exit: 1 },
  invalid: { rpc: -32602, exit: 1 },
  busy: { rpc: -32006, exit: 1 },
  cancelled: { rpc: -32007, exit: 1 },
  "device-missing": { rpc: -32008, exit: 1 },
  "device-failed": { rpc: -32009, exit: 1 },
  quota: { rpc: -32010, exit: 1 },
  integrity: { rpc: -32011, exit: 1 },
  limit: { rpc: -32012, exit: 1 },
  internal: { rpc: -32603, exit: 1 },
} as const satisfies Record<string, CodeFacts>;

/** A stable error code. */
export type ErrorCode = keyof typeof CODES;

/** How an error looks in JSON output and inside a gateway's answer. */
export interface ErrorShape {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
}

/** JSON-RPC 2.0 §5.1 error object; `data` carries the stable code. */
export interface RpcErrorShape {
  readonly code: number;
  readonly message: string;
  readonly data?: { readonly code: ErrorCode; readonly hint?: string };
}

/** The one error class. `hint` says what the person can do about it. */
export class TetherError extends Error {
  override readonly name = "TetherError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** True where what was asked for was refused before anything of it was done. Does not travel on the wire. */
  readonly refused: boolean;

  constructor(
    code: ErrorCode,
    message: string,
    options: { hint?: string | undefined; cause?: unknown; refused?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.refused = options.refused ?? false;
  }

  /** Exit code of a program that this error ends. */
  get exitCode(): number {
    return CODES[this.code].exit;
  }

  /** Reads what {@link toJSON} gives; an unknown code becomes `internal`. Throws TypeError on any other shape. */
  static fromJSON(shape: unknown): TetherError {
    const { code, message, hint } = shape as { code?: unknown; message?: unknown; hint?: unknown };
    if (typeof message !== "string") throw new TypeError("an error without a message");
    return new TetherError(isErrorCode(code) ? code : "internal", message, {
      hint: typeof hint === "string" ? hint : undefined,
    });
  }

  /** The same error, of what was refused before anything of it was done. */
  asRefusal(): TetherError {
    const { code, message, hint, cause } = this;
    return new TetherError(code, message, { hint, cause, refused: true });
  }

  toJSON(): ErrorShape {
    return this.hint === undefined
      ? { code: this.code, message: this.message }
      : { code: this.code, message: this.message, hint: this.hint };
  }
}

/** True when `value` is one of the table's codes. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(CODES, value);
}

/**
 * Turns anything thrown into a TetherError.
 *
 * A system error keeps its meaning where the table has one; all else becomes `internal`, so that a stack
 * or a secret inside an unexpected error never reaches a stranger by way of its code.
 */
export function asTetherError(thrown: unknown): TetherError {
  if (thrown instanceof TetherError) return thrown;
  if (thrown instanceof Error) {
    if (thrown.name === "TimeoutError") return new TetherError("timeout", thrown.message, { cause: thrown });
    if (thrown.name === "AbortError") return new TetherError("cancelled", "cancelled", { cause: thrown });
    const code = systemErrorCode((thrown as NodeJS.ErrnoException).code);
    return new TetherError(code, thrown.message, { cause: thrown });
  }
  return new TetherError("internal", `something that is no error was thrown: ${String(thrown)}`);
}

function systemErrorCode(code: string | undefined): ErrorCode {
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return "not-found";
    case "EEXIST":
    case "ENOTEMPTY":
      return "exists";
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return "forbidden";
    case "ENOSPC":
    case "EDQUOT":
      return "quota";
    case "EBUSY":
      return "busy";
    case "ENAMETOOLONG":
    case "EISDIR":
      return "invalid";
    case "ECONNREFUSED":
    case "ECONNRESET":
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EPIPE":
      return "unreachable";
    case "ETIMEDOUT":
      return "timeout";
    default:
      return "internal";
  }
}

/** The error as a JSON-RPC 2.0 §5.1 error object. */
export function errorToRpc(error: TetherError): RpcErrorShape {
  return {
    code: CODES[error.code].rpc,
    message: error.message,
    data: error.hint === undefined ? { code: error.code } : { code: error.code, hint: error.hint },
  };
}

/** The TetherError that a JSON-RPC error object stands for; an unknown code becomes `internal`. */
export function errorFromRpc(shape: unknown): TetherError {
  if (typeof shape !== "object" || shape === null)
    return new TetherError("internal", "an error without a shape");
  const { code, message, data } = shape as { code?: unknown; message?: unknown; data?: unknown };
  const text = typeof message === "string" ? message : "an error without a message";
  const details =
    typeof data === "object" && data !== null ? (data as { code?: unknown; hint?: unknown }) : {};
  if (isErrorCode(details.code)) {
    return new TetherError(details.code, text, {
      hint: typeof details.hint === "string" ? details.hint : undefined,
    });
  }
  // A stranger's implementation may send the standard's numbers alone (JSON-RPC 2.0 §5.1).
  const byNumber = Object.entries(CODES).find(([, facts]) => facts.rpc === code);
  const fallback: ErrorCode = code === -32700 || code === -32600 ? "invalid" : "internal";
  return new TetherError(byNumber ? (byNumber[0] as ErrorCode) : fallback, text);
}
