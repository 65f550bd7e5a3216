import type { Random } from "./random.ts";
import { callText, END, KIND, MORE, rawFrame, rawHello, rawOpen, TYPE, u32 } from "./raw-frames.ts";

/** Something that no peer should send. */
export interface HostileInput {
  readonly name: string;
  readonly chunks: readonly Buffer[];
  /** False when it comes instead of HELLO. */
  readonly greeted: boolean;
  /**
   * What the agent has to do: `close` the connection; `live` on, or close it; `cut`: nothing, because the
   * sender breaks off in the middle.
   */
  readonly outcome: "close" | "live" | "cut";
}

type Maker = (random: Random, stream: number) => Omit<HostileInput, "name">;

const live = (...chunks: readonly Buffer[]) => ({ chunks, greeted: true, outcome: "live" }) as const;
const fatal = (...chunks: readonly Buffer[]) => ({ chunks, greeted: true, outcome: "close" }) as const;
const cut = (...chunks: readonly Buffer[]) => ({ chunks, greeted: true, outcome: "cut" }) as const;
const instead = <T extends object>(input: T) => ({ ...input, greeted: false }) as const;

const MAKERS: { readonly [name: string]: Maker } = {
  "random bytes first": (random) => instead(cut(random.bytes(1 + random.below(2_000)))),
  "random bytes": (random) => cut(random.bytes(1 + random.below(2_000))),
  "a bad HELLO": (random) => instead(fatal(rawFrame(TYPE.hello, 0, random.pick(BAD_HELLOS)))),
  "no HELLO": (_, stream) => instead(fatal(rawOpen(stream, KIND.call, callText("math.add", [1]), END))),
  "a truncated frame": (random, stream) => {
    const frame = rawOpen(stream, KIND.call, callText("text.upper", ["x".repeat(random.below(5_000))]), END);
    return cut(frame.subarray(0, 1 + random.below(frame.length - 1)));
  },
  "an oversized frame": (random) => {
    const type = random.pick(Object.values(TYPE));
    return fatal(
      Buffer.concat([u32(262_145 + random.below(2 ** 32 - 262_145)), Buffer.from([type, 0]), u32(1)]),
    );
  },
  "the wrong order": (random, stream) => fatal(Buffer.concat(random.pick(wrongOrders(stream)))),
  "random frames": (random) => {
    const frames = Array.from({ length: 1 + random.below(20) }, () =>
      rawFrame(random.below(0x20), random.below(6), random.bytes(random.below(50)), random.below(256)),
    );
    return live(...frames);
  },
  "broken JSON": (random, stream) => {
    const text = Buffer.from(callText("math.multiply", [6, 7]));
    for (let at = 0; at <= random.below(5); at++) text[random.below(text.length)] = 0x20 + random.below(0x5f);
    return live(rawOpen(stream, KIND.call, text, END));
  },
  "wrong shapes": (random, stream) =>
    live(rawOpen(stream, random.pick([1, 2]), random.pick(WRONG_SHAPES), END)),
  "deep nesting": (random, stream) => {
    const open = random.pick(["[", '{"a":', "[[", '[{"":']);
    return live(rawOpen(stream, KIND.call, `{"params":${open.repeat(random.below(10_000))}`, END));
  },
  "a huge integer": (random, stream) => {
    const digits = `${1 + random.below(9)}${"7".repeat(random.below(50_000))}${random.pick(["", ".5", "e99999"])}`;
    return live(
      rawOpen(stream, KIND.call, `{"jsonrpc":"2.0","id":1,"method":"math.add","params":[${digits}]}`, END),
    );
  },
  "tiny fragments": (random, stream) => {
    const text = callText("text.upper", ["x".repeat(300 + random.below(1_500))]);
    const pieces = [...text].map((letter) => rawFrame(TYPE.document, stream, letter, MORE));
    const frames = [
      rawOpen(stream, KIND.call, "", MORE),
      ...pieces,
      rawFrame(TYPE.document, stream, "", END),
    ];
    return live(Buffer.concat(frames));
  },
  "bytes one by one": (random, stream) => {
    const bytes = rawOpen(stream, KIND.call, callText("nothing", [random.below(9)]), END);
    return live(...[...bytes].map((byte) => Buffer.from([byte])));
  },
  "an unfinished stream": (random, stream) =>
    live(
      rawOpen(stream, random.below(9), random.pick(["", "{", '"']), random.pick([0, MORE])),
      rawFrame(TYPE.reset, stream, random.bytes(9)),
    ),
  "bad pairing": (random, stream) =>
    live(
      rawOpen(
        stream,
        KIND.pair,
        JSON.stringify({ proof: random.bytes(random.below(40)).toString("base64"), label: "x" }),
        END,
      ),
    ),
};

const BAD_HELLOS = [
  "",
  "{}",
  "null",
  "[]",
  "1",
  '"x"',
  "{",
  '{"protocol":1}',
  '{"protocol":9,"oldest":9}',
  "\xff",
];

const WRONG_SHAPES = [
  ...["", "null", "0", "[]", "{}", '"text"', "[[]]", "[null]", "[1,2,3]", "true", "\0", "{}{}", "\ufeff{}"],
  ...['{"jsonrpc":"1.0","id":1,"method":"x"}', '{"jsonrpc":"2.0","id":{},"method":"math.add"}'],
  ...['{"jsonrpc":"2.0","id":1,"method":7}', '{"jsonrpc":"2.0","id":1,"method":"math.add","params":5}'],
  ...['{"jsonrpc":"2.0","id":1,"method":"__proto__","params":[]}'],
  ...['{"jsonrpc":"2.0","id":1,"method":"math.multiply","params":{"__proto__":{"a":1}},"timeoutMs":-1}'],
  ...['{"jsonrpc":"2.0","id":1,"method":"math.multiply","params":["x",{}],"timeoutMs":1e99}'],
  ...['{"proof":null,"label":{}}', '{"proof":"","label":""}', `{"proof":"${"A".repeat(9_000)}","label":"x"}`],
  `[${'{"jsonrpc":"2.0","method":"math.add","params":[1]},'.repeat(1_100)}1]`,
];

function wrongOrders(stream: number): Buffer[][] {
  const open = rawOpen(stream, KIND.pair, "", 0);
  return [
    [rawHello()],
    [rawOpen(0, KIND.call, "{}")],
    [rawOpen(2, KIND.call, "{}")],
    [rawFrame(TYPE.open, stream)],
    [open, open],
    [open, rawFrame(TYPE.credit, stream, "123")],
    [open, rawFrame(TYPE.credit, stream, u32(0xffff_ffff))],
    [open, rawFrame(TYPE.document, stream, "", END | MORE)],
    [open, rawFrame(TYPE.document, stream, Buffer.from([0xff]), END)],
    [open, rawFrame(TYPE.data, stream, "", END), rawFrame(TYPE.data, stream, "x")],
    [open, rawFrame(TYPE.document, stream, "{", MORE), rawFrame(TYPE.data, stream, "x")],
    [rawFrame(TYPE.ping, 0, "more than eight")],
  ];
}

/** The next input, any kind as likely as the others; `stream` is a number not used on the connection yet. */
export function hostileInput(random: Random, stream: number): HostileInput {
  const name = random.pick(Object.keys(MAKERS));
  return { name, ...(MAKERS[name] as Maker)(random, stream) };
}
