import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import {
  agentProof,
  controllerProof,
  formatPairingCode,
  PAIRING_CODE_BYTES,
  type PairingTranscript,
  pairingCodeFrom,
  parsePairingCode,
  proofsEqual,
} from "../../protocol/index.ts";
import { tetherError } from "./folder.ts";

const transcript = (): PairingTranscript => ({
  code: pairingCodeFrom(randomBytes(PAIRING_CODE_BYTES)),
  exporter: randomBytes(32),
  controllerKeyHash: randomBytes(32),
  agentKeyHash: randomBytes(32),
});

test("ten bytes make 16 characters of Crockford's base 32, five bits each", () => {
  assert.equal(pairingCodeFrom(Buffer.alloc(10)), "0000000000000000");
  assert.equal(pairingCodeFrom(Buffer.alloc(10, 0xff)), "ZZZZZZZZZZZZZZZZ");
  // 00000 00001 00010 … 01111: the digits in order.
  assert.equal(pairingCodeFrom(Buffer.from("00443214c74254b635cf", "hex")), "0123456789ABCDEF");
  // 10000 10001 … 11111: the rest of the alphabet.
  assert.equal(pairingCodeFrom(Buffer.from("84653a56d7c675be77df", "hex")), "GHJKMNPQRSTVWXYZ");
  assert.throws(() => pairingCodeFrom(Buffer.alloc(9)), tetherError("internal", /10 bytes, not 9/));
});

test("a code reads back as it was printed", () => {
  for (let round = 0; round < 100; round++) {
    const code = pairingCodeFrom(randomBytes(10));
    const printed = formatPairingCode(code);
    assert.match(printed, /^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}$/);
    assert.equal(parsePairingCode(printed), code);
  }
});

test("a code is read in any case, with dashes and white space anywhere, I and L as 1, O as 0", () => {
  const table: [string, string][] = [
    ["0123-4567-89AB-CDEF", "0123456789ABCDEF"],
    ["0123456789abcdef", "0123456789ABCDEF"],
    [" 0123 4567 89ab cdef\n", "0123456789ABCDEF"],
    ["0-1-2-3-4-5-6-7-8-9-a-b-c-d-e-f-", "0123456789ABCDEF"],
    ["OiLo-oIlO-wxyz-WXYZ", "01100110WXYZWXYZ"],
  ];
  for (const [typed, code] of table) assert.equal(parsePairingCode(typed), code, typed);
});

test("what is no code is refused with the reason", () => {
  const table: [string, RegExp][] = [
    ["", /it is empty/],
    [" - ", /it is empty/],
    ["0123-4567-89AB-CDE", /it has 15 characters/],
    ["0123-4567-89AB-CDEF0", /it has 17 characters/],
    ["U123-4567-89AB-CDEF", /character 1 is "U"/],
    ["0123-45u7-89AB-CDEF", /character 7 is "U"/],
    ["0123-4567-89AB-CD_F", /character 15 is "_"/],
    ["0123–4567–89AB–CDEF", /character 5 is "–"/],
    ["🌿", /character 1 is "🌿"/],
    ["0123-4567-89AB-CDEß", /character 16 is "ß"/],
    ["1".repeat(1_000_000), /it has 1000000 characters/],
  ];
  for (const [typed, reason] of table) {
    assert.throws(() => parsePairingCode(typed), tetherError("invalid", reason), typed.slice(0, 40));
  }
});

test("the proofs are what Python's hmac gives", () => {
  const program = `
import hmac, sys
code, e, c, a = sys.argv[1].encode("ascii"), *map(bytes.fromhex, sys.argv[2:])
for side in (b"controller", b"agent"):
    print(hmac.new(code, b"tether-pair-v1 " + side + e + c + a, "sha256").hexdigest())
`;
  const values = transcript();
  const hex = [values.exporter, values.controllerKeyHash, values.agentKeyHash].map((part) =>
    Buffer.from(part).toString("hex"),
  );
  const printed = execFileSync("/usr/bin/python3", ["-c", program, values.code, ...hex], {
    encoding: "utf8",
  });
  assert.deepEqual(printed.trim().split("\n"), [
    controllerProof(values).toString("hex"),
    agentProof(values).toString("hex"),
  ]);
});

test("a proof changes with every part, and with the side", () => {
  const values = transcript();
  const swapped = { controllerKeyHash: values.agentKeyHash, agentKeyHash: values.controllerKeyHash };
  const changes: Partial<PairingTranscript>[] = [
    {},
    { code: "0123456789ABCDEF" },
    { exporter: randomBytes(32) },
    { controllerKeyHash: randomBytes(32) },
    { agentKeyHash: randomBytes(32) },
    swapped,
  ];
  const proofs = changes.flatMap((change) => {
    const changed = { ...values, ...change };
    return [controllerProof(changed).toString("hex"), agentProof(changed).toString("hex")];
  });
  assert.equal(new Set(proofs).size, proofs.length);
});

test("parts of the wrong length make no proof, and proofs of another length are not equal", () => {
  const values = transcript();
  assert.throws(
    () => controllerProof({ ...values, exporter: Buffer.alloc(31) }),
    tetherError("internal", /32 bytes each/),
  );
  const proof = controllerProof(values);
  assert.ok(proofsEqual(proof, Buffer.from(proof)));
  assert.ok(!proofsEqual(proof, proof.subarray(0, 31)));
  assert.ok(!proofsEqual(proof, Buffer.concat([proof, Buffer.alloc(1)])));
  assert.ok(!proofsEqual(proof, Buffer.alloc(0)));
});
