import { isIP } from "node:net";
import { posix } from "node:path";
import { Scalar } from "yaml";
import { CALLS, CONFIGURATION, DISCOVERY, isName, NAME_RULE } from "../../protocol/index.ts";
import { quoted } from "./mistake.ts";
import { type Shape, text } from "./shapes.ts";

/** A name that becomes a part of a procedure's name and of an MQTT topic. */
export const MEMBER_NAME = {
  // __proto__ is no key of an ordinary object.
  pattern: /^(?!__proto__$)[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/,
  allowed: `1 to ${CONFIGURATION.memberNameLength} of A-Z a-z 0-9 _ -, the first no -`,
} as const;

/** A parameter's name: no digit first, because an object would put such keys out of their order. */
export const PARAMETER_NAME = {
  pattern: /^(?!__proto__$)[A-Za-z_][A-Za-z0-9_]{0,63}$/,
  allowed: `1 to ${CONFIGURATION.memberNameLength} of A-Z a-z 0-9 _, the first no digit`,
} as const;

/** Another name for a procedure, as clients of other protocols may have it (XML-RPC: A-Z a-z 0-9 _ . : /). */
export const ALIAS_NAME = {
  pattern: /^(?!__proto__$)[A-Za-z0-9_.:/-]{1,200}$/,
  allowed: `1 to ${CALLS.nameLength} of A-Z a-z 0-9 _ . : / -`,
} as const;

/** The agent's own name. */
export function agentName(): Shape<string> {
  return text({
    allowed: NAME_RULE,
    check: (value) => (isName(value) ? undefined : `is ${quoted(value)}`),
  });
}

/** One tag of the agent. */
export function tag(): Shape<string> {
  const longest = DISCOVERY.tagLength;
  return text({ allowed: `1 to ${longest} of A-Z a-z 0-9 _ -`, pattern: /^[A-Za-z0-9_-]+$/, longest });
}

/** A device's name. */
export function memberName(): Shape<string> {
  return text(MEMBER_NAME);
}

/** A procedure's name. */
export function procedureName(): Shape<string> {
  return text({
    allowed: "a procedure's name, as math.multiply",
    pattern: /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/,
    longest: CALLS.nameLength,
  });
}

/** A pattern of procedures' names, in which `*` stands for anything. */
export function procedurePattern(): Shape<string> {
  return text({
    allowed: "a procedure's name or a pattern with *, as math.*",
    pattern: /^[A-Za-z0-9_.*-]+$/,
    longest: CALLS.nameLength,
  });
}

/** An absolute path, normalized. */
export function absolutePath(longest: number = CONFIGURATION.pathLength): Shape<string> {
  const path = text({ allowed: "an absolute path, as /srv/tether", pattern: /^\/[^\0]*$/, longest });
  return {
    ...path,
    read(node, where, reading) {
      const value = path.read(node, where, reading);
      return value === undefined ? undefined : posix.normalize(value).replace(/(?<=.)\/$/, "");
    },
  };
}

/** The path of a Unix socket (unix(7)). */
export function socketPath(): Shape<string> {
  const longest = CONFIGURATION.socketPathBytes;
  return text({
    allowed: `an absolute path of up to ${longest} bytes`,
    pattern: /^\/[^\0]*[^\0/]$/,
    longest: CONFIGURATION.pathLength,
    check: (value) =>
      Buffer.byteLength(value) > longest
        ? `has ${Buffer.byteLength(value)} bytes, too many for a socket`
        : undefined,
  });
}

/** An IP address, or a host name (RFC 1123 §2.1) whose last label is not a number. */
export function host(): Shape<string> {
  return text({
    allowed: "an IP address or a host name, as 127.0.0.1 :: localhost",
    longest: 255,
    check: (value) =>
      isIP(value) !== 0 ||
      /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*(?<!(^|\.)\d+)$/.test(value)
        ? undefined
        : `is ${quoted(value)}`,
  });
}

/** Whose pages a browser may let call: scheme, host and port of an address (RFC 6454 §6.2), in small letters. */
export function pageOrigin(): Shape<string> {
  const written = text({
    allowed: "an origin without a path, as https://panel.example or http://192.168.1.5:8080",
    longest: 512,
    check: (value) => {
      const url = URL.canParse(value) ? new URL(value) : undefined;
      const isOrigin =
        (url?.protocol === "http:" || url?.protocol === "https:") && url.origin === value.toLowerCase();
      return isOrigin ? undefined : `is ${quoted(value)}`;
    },
  });
  return { ...written, read: (node, path, reading) => written.read(node, path, reading)?.toLowerCase() };
}

/** A user's name. */
export function userName(): Shape<string> {
  return text({ allowed: "1 to 64 characters without spaces", pattern: /^[^\s\p{Cc}]+$/u, longest: 64 });
}

/** Text of one line for people. */
export function sentence(): Shape<string> {
  return text({ allowed: "one line of up to 200 characters", pattern: /^[^\p{Cc}]+$/u, longest: 200 });
}

/** Text whose escapes matter: a backslash outside double quotes is meant as an escape, and is none. */
export function escapedText(longest: number): Shape<string> {
  return text({
    longest,
    check: (value, node) =>
      node.type !== Scalar.QUOTE_DOUBLE && /\\([rnt0ae]|x[0-9a-fA-F]{2})/.test(value)
        ? "has a backslash that stands for itself outside double quotes"
        : undefined,
    allowed: `1 to ${longest} characters, escapes as \\n in double quotes`,
  });
}

/** Characters that are no letter, digit or space. */
export function punctuation(longest: number): Shape<string> {
  return text({ allowed: `1 to ${longest} marks, as ;`, pattern: /^[\p{P}\p{S}]+$/u, longest });
}

/** A topic of MQTT that one may publish to (MQTT 5.0 §4.7), without an empty level. */
export function topic(): Shape<string> {
  return text({
    allowed: "levels of an MQTT topic, as tether or site/tether, without + # and no $ first",
    pattern: /^(?!\$)[^\p{Cc}+#/]+(\/[^\p{Cc}+#/]+)*$/u,
    longest: 128,
  });
}

/** A regular expression of JavaScript; with the flag u where a JSON Schema's validator compiles it so. */
export function expression(flags: "" | "u" = ""): Shape<string> {
  return text({
    allowed: 'a regular expression, as "^OK (?<value>[0-9]+)$"',
    check(value) {
      const problem = expressionProblem(value, flags);
      return problem === undefined ? undefined : `does not compile: ${problem}`;
    },
  });
}

/** Why `source` is no regular expression, or undefined. */
function expressionProblem(source: string, flags: string): string | undefined {
  try {
    new RegExp(source, flags);
    return undefined;
  } catch (thrown) {
    return String((thrown as Error).message).replace(/^Invalid regular expression: \/.*\/[a-z]*: /s, "");
  }
}

/** The named groups of a regular expression that compiles. */
export function groupsOf(source: string): string[] {
  // With an empty alternative it matches at once, and every named group is there.
  return Object.keys(new RegExp(`${source}|`).exec("")?.groups ?? {});
}

/** A number of four hexadecimal digits, as USB's vendors and products have, in lower case. */
export function usbNumber(): Shape<string> {
  const digits = text({
    allowed: 'one to four hexadecimal digits, as "2341"',
    pattern: /^(0x)?[0-9a-f]{1,4}$/i,
    digits: true,
  });
  return {
    ...digits,
    read(node, path, reading) {
      return digits.read(node, path, reading)?.toLowerCase().replace(/^0x/, "").padStart(4, "0");
    },
  };
}

/** A range of ports `FROM-TO`, or one port. */
export function portRange(): Shape<{ readonly from: number; readonly to: number }> {
  const written = text({ allowed: "FROM-TO within 1024-65535, as 50000-50100", digits: true });
  return {
    allowed: written.allowed,
    read(node, path, reading) {
      const value = written.read(node, path, reading);
      if (value === undefined) return undefined;
      const [, first, last] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(value) ?? [];
      const [from, to] = [Number(first), Number(last ?? first)];
      if (from >= 1024 && from <= to && to <= 65_535) return { from, to };
      reading.mistake(path, `is ${quoted(value)}, allowed: ${written.allowed}`);
      return undefined;
    },
  };
}
