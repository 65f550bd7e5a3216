import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { startAgent } from "../agent-process.ts";
import { freePorts } from "../free-port.ts";

const PANEL = "https://panel.example";
const JSON_TYPE = { "Content-Type": "application/json" };

const folder = mkdtempSync(join(tmpdir(), "tether-gates-"));
after(() => rmSync(folder, { recursive: true, force: true }));
writeFileSync(
  join(folder, "own.mjs"),
  `export const procedures = [{ name: "own.sum", summary: "", parameters: {}, role: "viewer",
    run: (_, { call }) => call("math.add", [1, 2]) }];`,
  { mode: 0o644 },
);

const [http = 0, xmlrpc = 0, wide = 0] = await freePorts(3);
const agent = await startAgent(
  { after },
  {
    configuration: {
      compute: { procedures: folder },
      gateways: [
        { kind: "http", port: http, origins: [PANEL, "HTTP://Localhost:8080"], allow: ["text.*", "own.*"] },
        { kind: "xmlrpc", port: xmlrpc, origins: [PANEL], allow: ["text.*"] },
        { kind: "http", port: wide, allow: ["own.*", "math.*"] },
      ],
    },
  },
);

interface Ask {
  readonly port?: number;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: string;
}

/** `fetch` sends an `Origin` as it is told where there is no page. */
const ask = ({ port = http, path = "/", ...init }: Ask) => fetch(`http://127.0.0.1:${port}${path}`, init);
const rpc = (method: string, params: unknown[], more: Ask = {}) =>
  ask({
    ...more,
    method: "POST",
    headers: { ...JSON_TYPE, ...more.headers },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });

test("a page of a named origin may ask, call and read; another may not", async () => {
  const preflight = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
  };
  for (const [port, origin] of [
    [http, PANEL],
    [http, "http://localhost:8080"],
    [xmlrpc, PANEL],
  ] as const) {
    const asked = await ask({ port, method: "OPTIONS", headers: { Origin: origin, ...preflight } });
    assert.equal(asked.status, 204);
    assert.equal(asked.headers.get("access-control-allow-origin"), origin);
    assert.match(asked.headers.get("access-control-allow-methods") ?? "", /POST/);
    assert.match(asked.headers.get("access-control-allow-headers") ?? "", /authorization.*content-type/);
    assert.equal(asked.headers.get("vary"), "Origin");
    assert.equal(asked.headers.get("access-control-allow-credentials"), null);
  }
  const called = await rpc("text.upper", ["a"], { headers: { Origin: PANEL } });
  assert.equal(called.headers.get("access-control-allow-origin"), PANEL);
  assert.equal(((await called.json()) as { result: string }).result, "A");
  const wrong = await ask({
    method: "POST",
    headers: { Origin: PANEL, "Content-Type": "text/plain" },
    body: "{}",
  });
  assert.deepEqual([wrong.status, wrong.headers.get("access-control-allow-origin")], [415, PANEL]);

  for (const origin of ["https://evil.example", "http://panel.example", `${PANEL}.evil.example`, "null"]) {
    const refused = await ask({ method: "OPTIONS", headers: { Origin: origin, ...preflight } });
    assert.deepEqual(
      [refused.status, refused.headers.get("access-control-allow-origin")],
      [403, null],
      origin,
    );
    assert.equal((await rpc("text.upper", ["a"], { headers: { Origin: origin } })).status, 403);
  }
  const elsewhere = await ask({ port: wide, method: "OPTIONS", headers: { Origin: PANEL, ...preflight } });
  assert.equal(elsewhere.status, 403);
});

test("an origin is written without a path, and only where there is HTTP", async () => {
  for (const [gateway, message] of [
    [
      { kind: "http", port: 7002, origins: ["https://panel.example/"] },
      /origins.*is "https:\/\/panel.example\/"/,
    ],
    [{ kind: "http", port: 7002, origins: ["*"] }, /allowed: an origin without a path/],
    [{ kind: "tcp", port: 7002, origins: [PANEL] }, /has origins, which only kind xmlrpc http may have/],
  ] as const) {
    writeFileSync(join(folder, "check.yaml"), JSON.stringify({ gateways: [gateway] }));
    const checked = await agent.tetherd(["check", "--config", join(folder, "check.yaml")]);
    assert.equal(checked.code, 1);
    assert.match(checked.stdout + checked.stderr, message);
  }
});

test("what a user's procedure calls must be allowed by the gateway as well", async () => {
  const narrow = (await (await rpc("own.sum", [])).json()) as {
    error: { message: string; data: { code: string } };
  };
  assert.equal(narrow.error.data.code, "forbidden");
  assert.match(narrow.error.message, /math\.add is not allowed here/);
  const allowed = (await (await rpc("own.sum", [], { port: wide })).json()) as { result: number };
  assert.equal(allowed.result, 3);
});

test("every refusal is a line of the log: paths, methods, types, and members of a multicall", async () => {
  const from = agent.log.length;
  const line = (fits: RegExp, event = "gateway-refused") =>
    agent.line(event, ({ message }) => fits.test(message), from);
  assert.equal((await ask({ path: "/nothing" })).status, 404);
  assert.equal((await line(/there is nothing here/)).code, "not-found");
  assert.equal((await ask({ method: "DELETE" })).status, 405);
  assert.equal((await line(/DELETE is not for this path/)).kind, "http");
  assert.equal((await ask({ method: "POST", headers: { "Content-Type": "text/html" } })).status, 415);
  assert.equal((await line(/the Content-Type text\/html/)).address, "127.0.0.1");
  await rpc("system.multicall", [[{ methodName: "math.add", params: [1, 2] }]]);
  const member = await line(/math\.add is not allowed/, "forbidden");
  assert.deepEqual([member.procedure, member.address, member.role], ["math.add", "127.0.0.1", "viewer"]);
});
