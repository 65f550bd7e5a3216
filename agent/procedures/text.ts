import type { Procedure } from "./procedure.ts";

const text = { type: "string" } as const;

/** `text.*`. */
export const textProcedures: readonly Procedure[] = [
  {
    name: "text.echo",
    summary: "The value that came, as it came.",
    parameters: { value: {} },
    result: {},
    role: "viewer",
    retryable: true,
    run: ({ value = null }) => value,
  },
  {
    name: "text.upper",
    summary: "The text in capital letters.",
    parameters: { text },
    result: text,
    role: "viewer",
    retryable: true,
    run: ({ text: value }) => (value as string).toUpperCase(),
  },
  {
    name: "text.lower",
    summary: "The text in small letters.",
    parameters: { text },
    result: text,
    role: "viewer",
    retryable: true,
    run: ({ text: value }) => (value as string).toLowerCase(),
  },
];
