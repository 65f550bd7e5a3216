import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { openConnection } from "../../controller/connection.ts";
import {
  agentProof,
  controllerProof,
  PAIRING_EXPORTER_LABEL,
  parsePairingCode,
} from "../../protocol/index.ts";
import { runProgram, startAgent } from "../agent-process.ts";
import { temporaryFolder } from "../identity/folder.ts";
import { startHostileAgent } from "./hostile-agent.ts";
import { errorIn, issueCode } from "./owner-acts.ts";
import { assertNoSecrets } from "./secrets.ts";
import { askOn, connectStranger, pairingRequest, strangersKey } from "./stranger.ts";

const CODE = "7K3M-Q0ZD-W8XA-5RTN";
const FACTS = { label: "x", role: "admin", agent: { id: "x", name: "greenhouse", tags: [] } };

suite("a laptop that pairs", () => {
  const pair = async (t: TestContext, address: string, code = CODE) => {
    const home = temporaryFolder(t);
    const ended = await runProgram("tether", ["pair", address, "--code", code, "--json"], { home });
    assert.ok(!existsSync(join(home, "agents.json")), "nothing is stored");
    return { ended, error: errorIn(ended.stderr) };
  };

  test("refuses its own proof, sent back", async (t) => {
    const mirror = await startHostileAgent(t, (document, stream) => {
      const { proof } = JSON.parse(document) as { proof: string };
      stream.sendDocument(JSON.stringify({ ...FACTS, proof }), true);
    });
    const { ended, error } = await pair(t, mirror.address);
    assert.equal(ended.code, 4);
    assert.equal(error.code, "unauthorized");
    assert.match(error.message, /does not know the pairing code/);
    assert.equal(mirror.heard.length, 1);
    assert.ok(!mirror.heard[0]?.includes(CODE.slice(0, 4)), "the code itself never leaves the laptop");
  });

  test("refuses a proof made without the code, too short, too long, or none", async (t) => {
    const answers = [
      { ...FACTS, proof: randomBytes(32).toString("base64") },
      { ...FACTS, proof: randomBytes(31).toString("base64") },
      { ...FACTS, proof: randomBytes(33).toString("base64") },
      { ...FACTS, proof: "" },
      { ...FACTS, proof: 1 },
      FACTS,
      null,
    ];
    await Promise.all(
      answers.map(async (answer) => {
        const agent = await startHostileAgent(t, (_, stream) =>
          stream.sendDocument(JSON.stringify(answer), true),
        );
        const { ended } = await pair(t, agent.address);
        assert.ok([1, 4].includes(ended.code), `${JSON.stringify(answer)}: ${ended.code}`);
      }),
    );
  });

  test("refuses who stands between: his connection to the agent is another one", async (t) => {
    const agent = await startAgent(t);
    const { code } = await issueCode(agent);
    const relayed: string[] = [];
    const between = await startHostileAgent(t, async (document, stream) => {
      const onward = await connectStranger(t, agent.port);
      const answer = await askOn(onward, "pair", document);
      if ("document" in answer) {
        relayed.push(answer.document);
        stream.sendDocument(answer.document, true);
      } else stream.reset(answer.error);
    });
    const { ended, error } = await pair(t, between.address, code);
    assert.equal(ended.code, 4);
    assert.equal(error.code, "unauthorized");
    assert.deepEqual(relayed, [], "the agent gave its proof to nobody");
    assert.equal(between.heard.length, 1);
    const line = await agent.line("pairing-refused");
    assert.equal(line.address, "127.0.0.1");
    // The try was wrong, so the code still stands for its owner.
    const args = ["pair", `127.0.0.1:${agent.port}`, "--code", code];
    assert.equal((await agent.tether(args, { home: agent.makeHome() })).code, 0);
    assertNoSecrets(agent, [code]);
  });

  test("gives up an agent that never answers when its time is up", async (t) => {
    const silent = await startHostileAgent(t, () => undefined);
    const args = ["pair", silent.address, "--code", CODE, "--timeout", "300ms"];
    const ended = await runProgram("tether", args, { home: temporaryFolder(t) });
    assert.equal(ended.code, 3);
  });
});

suite("an agent", () => {
  test("refuses its own kind of proof, another connection's, and one for another key", async (t) => {
    const agent = await startAgent(t);
    const { code } = await issueCode(agent);
    const identity = strangersKey();
    const connection = await connectStranger(t, agent.port, { identity });
    const transcript = {
      code: parsePairingCode(code),
      exporter: connection.socket.exportKeyingMaterial(32, PAIRING_EXPORTER_LABEL, Buffer.alloc(0)),
      controllerKeyHash: identity.keyHash,
      agentKeyHash: Buffer.from(agent.fingerprint.slice("SHA256:".length), "base64"),
    };
    const other = await connectStranger(t, agent.port, { identity });
    const proofs = {
      "the agent's own proof": agentProof(transcript),
      "for another controller's key": controllerProof({ ...transcript, controllerKeyHash: randomBytes(32) }),
      "for another agent's key": controllerProof({ ...transcript, agentKeyHash: randomBytes(32) }),
    };
    for (const [what, proof] of Object.entries(proofs)) {
      const request = JSON.stringify({ proof: proof.toString("base64"), label: "x" });
      const answer = await askOn(connection, "pair", request);
      assert.ok("error" in answer && answer.error.code === "unauthorized", what);
    }
    const replayed = await askOn(other, "pair", pairingRequest(connection, identity, code));
    assert.ok("error" in replayed && replayed.error.code === "unauthorized", "another connection's proof");
    const right = await askOn(connection, "pair", pairingRequest(connection, identity, code));
    assert.ok("document" in right, "the right proof, at last");
    assertNoSecrets(agent, [code]);
  });

  test("serves a stranger nothing but pairing, and one without a key not even that", async (t) => {
    const agent = await startAgent(t);
    const stranger = await connectStranger(t, agent.port);
    const hello = await stranger.hello;
    assert.equal(hello.agent, undefined, "who the agent is, is nobody's business");
    const call = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "net.hostname" });
    for (const kind of ["call", "logs"] as const) {
      const answer = await askOn(stranger, kind, call);
      assert.ok("error" in answer && answer.error.code === "unauthorized", kind);
      assert.match(answer.error.hint ?? "", /tetherd pair/);
    }
    const line = await agent.line("unauthorized");
    assert.equal(line.address, "127.0.0.1");
    assert.match(String(line.fingerprint), /^SHA256:/);

    const { code } = await issueCode(agent);
    const identity = { ...strangersKey(), keyPem: "", certificatePem: "" };
    const keyless = await openConnection({
      host: "127.0.0.1",
      port: agent.port,
      identity: identity as { keyPem: string; certificatePem: string },
      accept: () => undefined,
    });
    t.after(() => keyless.socket.destroy());
    const answer = await askOn(keyless, "pair", pairingRequest(keyless, strangersKey(), code));
    assert.ok("error" in answer && answer.error.code === "unauthorized");
  });
});
