/** Clients that say anything in any order, and leave in any way. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { until } from "../firmware-bridge/until.ts";
import { chosenSeed, Random } from "../wire/random.ts";
import { startFtpServer } from "./ftp-server.ts";
import { RawFtp } from "./raw-ftp.ts";

const SESSIONS = 100;
const COMMANDS = 80;
const VERBS =
  "ABOR ALLO APPE AUTH CDUP CWD DELE EPRT EPSV FEAT HELP LIST MDTM MKD MLSD MLST MODE NLST NOOP OPTS PASS PASV PBSZ PORT PROT PWD QUIT REST RETR RMD RNFR RNTO SITE SIZE STAT STOR STRU SYST TYPE USER XYZZY".split(
    " ",
  );
const ARGUMENTS = [
  ...[
    "",
    "a",
    "b/c",
    "/",
    "..",
    "I",
    "A",
    "L 8",
    "127,0,0,1,100,200",
    "|1|127.0.0.1|33333|",
    "ALL",
    "1",
    "5",
  ],
  ...["9999", "x".repeat(300), "ü", "*", "a*", "-la /", "MLST size", "UTF8 ON", "anonymous", "\u0001"],
];

test("8,000 commands by 100 clients leave the server as it was", async (t) => {
  const seed = chosenSeed();
  const random = new Random(seed);
  const { port, gateway, log } = await startFtpServer(t);
  await Promise.all(Array.from({ length: SESSIONS }, () => session(port, random)));
  await until(() => gateway.counts.connections === 0, `all clients to be gone, seed ${seed}`, 40_000);
  assert.deepEqual(
    log.filter(({ event }) => event === "gateway-failed"),
    [],
    `seed ${seed}`,
  );
  const client = await RawFtp.logIn(t, port);
  assert.equal(await client.upload("STOR after", "all that"), 226);
  assert.equal(String(await client.download("RETR after")), "all that", `seed ${seed}`);
});

async function session(port: number, random: Random): Promise<void> {
  const control = connect(port, "127.0.0.1");
  control.on("error", () => undefined);
  await once(control, "connect");
  const closed = new Promise((resolve) => control.once("close", resolve));
  control.on("data", (text) => {
    for (const [, extended, high, low] of String(text).matchAll(/\|\|\|(\d+)\||\(127,0,0,1,(\d+),(\d+)\)/g)) {
      const data = extended === undefined ? Number(high) * 256 + Number(low) : Number(extended);
      if (random.below(4) > 0) useData(connect(data, "127.0.0.1"), random);
    }
  });
  control.write("USER anonymous\r\nPASS x\r\n");
  for (let n = 0; n < COMMANDS && !control.destroyed; n++) {
    const verb = random.pick(VERBS);
    if (random.below(6) === 0)
      control.write(`EPSV\r\n${random.pick(["LIST", "STOR a", "APPE a", "RETR a"])}\r\n`);
    else if (verb !== "QUIT" || random.below(20) === 0)
      control.write(`${verb} ${random.pick(ARGUMENTS)}\r\n`);
    if (random.below(4) === 0) await new Promise((resolve) => setTimeout(resolve, random.below(20)));
  }
  if (random.below(2) === 0) control.destroy();
  else control.end("ABOR\r\nQUIT\r\n");
  control.resume();
  // What waits for a data connection that nobody makes ends when its client does.
  setTimeout(() => control.destroy(), 500);
  await closed;
}

function useData(data: Socket, random: Random): void {
  data.on("error", () => undefined);
  data.resume();
  const ways = [
    () => data.end(Buffer.alloc(random.below(200_000))),
    () => data.resetAndDestroy(),
    () => data.end(),
    () => data.destroy(),
  ];
  setTimeout(random.pick(ways), random.below(30));
}
