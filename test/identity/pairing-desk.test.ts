import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { type PairingAttempt, PairingDesk } from "../../agent/identity/index.ts";
import {
  agentProof,
  controllerProof,
  formatPairingCode,
  PAIRING,
  parsePairingCode,
  TetherError,
} from "../../protocol/index.ts";
import { tetherError } from "./folder.ts";

const wall = new Date(0);
const at = (monotonic: number) => ({ monotonic, wall });
const refused = tetherError("unauthorized", /not valid: wrong, used, replaced or too old/);
const limited = tetherError("limit", /too many wrong pairing codes/);

/** One connection's part in a pairing. */
const connection = (address = "192.0.2.1") => ({
  address,
  exporter: randomBytes(32),
  controllerKeyHash: randomBytes(32),
  agentKeyHash: randomBytes(32),
});

/** An attempt with the code as it was printed. */
function attempt(printed: string, from = connection()): PairingAttempt {
  return { ...from, proof: controllerProof({ ...from, code: parsePairingCode(printed) }) };
}

const wrongCode = "0000-0000-0000-0000";

test("a right proof is granted once, with role, label and the agent's proof", () => {
  const desk = new PairingDesk();
  const issued = desk.issue({ role: "operator", label: "bench" }, at(1_000));
  assert.equal(issued.role, "operator");
  assert.equal(issued.expiresAt.getTime(), wall.getTime() + PAIRING.codeLifetime);
  const sent = attempt(issued.code);
  const granted = desk.verify(sent, 2_000);
  assert.deepEqual(granted, {
    role: "operator",
    label: "bench",
    agentProof: agentProof({ ...sent, code: parsePairingCode(issued.code) }),
  });
  assert.throws(() => desk.verify(sent, 2_001), refused);
  assert.throws(() => desk.verify(attempt(issued.code), 2_001), refused);
});

test("without a label none is granted, and codes differ", () => {
  const desk = new PairingDesk();
  const codes = Array.from({ length: 50 }, () => desk.issue({ role: "admin" }).code);
  assert.equal(new Set(codes).size, 50);
  const granted = desk.verify(attempt(codes.at(-1) ?? ""));
  assert.equal("label" in granted, false);
});

test("a wrong, used, expired, replaced and absent code are refused in the same words", () => {
  const texts = new Set<string>();
  const refusal = (desk: PairingDesk, code: string, now: number) => {
    assert.throws(
      () => desk.verify(attempt(code), now),
      (error) => error instanceof TetherError && texts.add(JSON.stringify(error)) !== undefined,
    );
  };
  refusal(new PairingDesk(), wrongCode, 0);

  const wrong = new PairingDesk();
  wrong.issue({ role: "admin" }, at(0));
  refusal(wrong, wrongCode, 0);

  const used = new PairingDesk();
  const spent = used.issue({ role: "admin" }, at(0)).code;
  used.verify(attempt(spent), 0);
  refusal(used, spent, 0);

  const expired = new PairingDesk();
  const old = expired.issue({ role: "admin", ttl: 5_000 }, at(0)).code;
  refusal(expired, old, 5_000);

  const replaced = new PairingDesk();
  const first = replaced.issue({ role: "admin" }, at(0)).code;
  const second = replaced.issue({ role: "viewer" }, at(0)).code;
  refusal(replaced, first, 0);
  assert.equal(replaced.verify(attempt(second), 0).role, "viewer");

  assert.equal(texts.size, 1);
});

test("a code is valid to the last millisecond of its time, which only the monotonic clock ends", () => {
  const desk = new PairingDesk();
  const { code } = desk.issue({ role: "admin", ttl: 5_000 }, { monotonic: 7, wall: new Date(0) });
  assert.equal(desk.verify(attempt(code), 5_006).role, "admin");
  for (const ttl of [0, -1, Number.NaN, PAIRING.longestCodeLifetime + 1, Number.POSITIVE_INFINITY]) {
    assert.throws(
      () => desk.issue({ role: "admin", ttl }, at(0)),
      tetherError("invalid", /at most 24 hours/),
    );
  }
});

test("a proof for another connection or other keys, and one reflected, are refused", () => {
  const desk = new PairingDesk();
  const { code } = desk.issue({ role: "admin" }, at(0));
  const canonical = parsePairingCode(code);
  const here = connection();
  const right = attempt(code, here);
  const bad: PairingAttempt[] = [
    { ...right, exporter: randomBytes(32) },
    { ...right, controllerKeyHash: randomBytes(32) },
    { ...right, agentKeyHash: randomBytes(32) },
    { ...right, proof: right.proof.subarray(0, 16) },
    { ...right, proof: agentProof({ ...here, code: canonical }) },
  ];
  // From different hosts, so that the limit of one does not answer instead.
  for (const [index, one] of bad.entries()) {
    assert.throws(() => desk.verify({ ...one, address: `192.0.2.${index + 10}` }, 0), refused);
  }
  // And the other way: what the controller sent is no proof of the agent's.
  const granted = desk.verify(right, 0);
  assert.notDeepEqual(granted.agentProof, Buffer.from(right.proof));
});

test("after five wrong tries from an address it waits a minute; others do not, and the code is not spent", () => {
  const desk = new PairingDesk();
  const { code } = desk.issue({ role: "admin" }, at(0));
  for (let second = 0; second < PAIRING.triesPerAddress; second++) {
    assert.throws(() => desk.verify(attempt(wrongCode), 1_000 * second), refused);
  }
  assert.throws(() => desk.verify(attempt(code), 59_999), limited);
  // The first wrong try is a minute old: one more is free, and what was refused by the limit did not count.
  assert.throws(() => desk.verify(attempt(wrongCode), 60_000), refused);
  assert.throws(() => desk.verify(attempt(code), 60_001), limited);
  assert.equal(desk.verify(attempt(code, connection("192.0.2.2")), 60_001).role, "admin");
});

test("tries count by /64 for IPv6, and an IPv4 address is itself however it is written", () => {
  const same: [string, string][] = [
    ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"],
    ["192.0.2.1", "::ffff:192.0.2.1"],
    ["fe80::1%eth0", "fe80::2%wlan0"],
  ];
  const different: [string, string][] = [
    ["2001:db8:1:2::1", "2001:db8:1:3::1"],
    ["192.0.2.1", "192.0.2.2"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.2"],
  ];
  const exhausted = (address: string) => {
    const desk = new PairingDesk();
    for (let n = 0; n < PAIRING.triesPerAddress; n++) {
      assert.throws(() => desk.verify(attempt(wrongCode, connection(address)), 0), refused);
    }
    return desk;
  };
  for (const [one, other] of same) {
    assert.throws(() => exhausted(one).verify(attempt(wrongCode, connection(other)), 0), limited, other);
  }
  for (const [one, other] of different) {
    assert.throws(() => exhausted(one).verify(attempt(wrongCode, connection(other)), 0), refused, other);
  }
});

test("after sixty wrong tries from anywhere everybody waits, and the right code works a minute later", () => {
  const desk = new PairingDesk();
  const { code } = desk.issue({ role: "admin" }, at(0));
  for (let n = 0; n < PAIRING.triesInAll; n++) {
    assert.throws(() => desk.verify(attempt(wrongCode, connection(`198.51.100.${n}`)), n), refused);
  }
  for (let n = 0; n < 1_000; n++) {
    assert.throws(() => desk.verify(attempt(code, connection(`203.0.113.${n % 250}`)), 100), limited);
  }
  assert.equal(desk.verify(attempt(code), 61_000).role, "admin");
});

test("a new code does not clear the count", () => {
  const desk = new PairingDesk();
  for (let n = 0; n < PAIRING.triesPerAddress; n++) {
    desk.issue({ role: "admin" }, at(0));
    assert.throws(() => desk.verify(attempt(wrongCode), 0), refused);
  }
  const { code } = desk.issue({ role: "admin" }, at(0));
  assert.throws(() => desk.verify(attempt(code), 0), limited);
  assert.equal(code, formatPairingCode(parsePairingCode(code)));
});
