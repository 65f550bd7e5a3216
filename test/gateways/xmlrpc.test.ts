import assert from "node:assert/strict";
import { after, suite, test } from "node:test";
import { gzipSync } from "node:zlib";
import { XmlReader } from "../../agent/gateways/xml-reader.ts";
import { writeAnswer, writeAnswers, writeFault } from "../../agent/gateways/xmlrpc-answer.ts";
import { decodeXml, readCall } from "../../agent/gateways/xmlrpc-call.ts";
import type { JsonValue } from "../../protocol/index.ts";
import { startAgent } from "../agent-process.ts";
import { freePorts } from "../free-port.ts";
import { missing } from "../peers.ts";
import { python } from "./python.ts";

const none = { types: new Map(), schema: {} };

function call(value: string): JsonValue | undefined {
  return readCall(
    `<methodCall><methodName>x</methodName><params><param><value>${value}</value></param></params></methodCall>`,
  ).params[0];
}

/** What an answer's value says when it is read like a call's. */
function readBack(value: JsonValue): JsonValue | undefined {
  const answer = writeAnswer(value, none);
  const [, inner = ""] = /<param>(.*)<\/param>/s.exec(answer) ?? [];
  return readCall(
    `<methodCall><methodName>x</methodName><params><param>${inner}</param></params></methodCall>`,
  ).params[0];
}

suite("XML-RPC's values", () => {
  test("every type is read", () => {
    const cases: [string, JsonValue][] = [
      ["<int>42</int>", 42],
      ["<i4> -7 </i4>", -7],
      ["<i1>+1</i1>", 1],
      ["<i8>9223372036854775807</i8>", 9223372036854775807n],
      ["<ex:i8>5</ex:i8>", 5],
      ["<biginteger>123456789012345678901234567890</biginteger>", 123456789012345678901234567890n],
      ["<double>-1.5e3</double>", -1500],
      ["<double>.5</double>", 0.5],
      ["<boolean>1</boolean>", true],
      ["<boolean>0</boolean>", false],
      ["<string>a &lt;b&gt; &amp; &quot;c&apos; &#x1F321;&#9;</string>", "a <b> & \"c' 🌡\t"],
      ["bare  text ", "bare  text "],
      ["", ""],
      ["<string/>", ""],
      ["<string><![CDATA[<&]]]>!<!-- no --></string>", "<&]!"],
      ["a\r\nb&#13;", "a\nb\r"],
      ["<nil/>", null],
      ["<ex:nil></ex:nil>", null],
      ["<base64>\nAAEC\n/w==\n</base64>", "AAEC/w=="],
      ["<dateTime.iso8601>20260131T14:08:55</dateTime.iso8601>", "2026-01-31T14:08:55"],
      ["<dateTime.iso8601>2026-01-31T14:08:55Z</dateTime.iso8601>", "2026-01-31T14:08:55Z"],
      [" <array> <data> <value>a</value> <value><int>1</int></value> </data> </array> ", ["a", 1]],
      ["<array><data/></array>", []],
      ["<struct/>", {}],
      [
        "<struct><member><name>a</name><value><int>1</int></value></member><member><name></name><value/></member></struct>",
        { a: 1, "": "" },
      ],
    ];
    for (const [text, value] of cases) assert.deepEqual(call(text), value, text);
    const odd = call("<struct><member><name>__proto__</name><value>x</value></member></struct>") as object;
    assert.ok(Object.hasOwn(odd, "__proto__") && Object.getPrototypeOf(odd) === Object.prototype);
  });

  test("every value is written and read back", () => {
    const values: JsonValue[] = [
      0,
      -1,
      2147483647,
      -2147483648,
      2147483648,
      9007199254740991,
      9007199254740993n,
      -(2n ** 63n),
      2n ** 63n - 1n,
      0.1,
      -1.5,
      1e300,
      5e-324,
      1e21,
      123456.789e-10,
      true,
      false,
      null,
      "",
      "a<&>]]>\r\n\t🌡é",
      [],
      {},
      [1, ["x", null], { a: { b: [] } }],
      { "": 1, "a<": 2 },
    ];
    for (const value of values) assert.deepEqual(readBack(value), value);
    assert.ok(!/<double>[^<]*e/.test(writeAnswer([1e300, 5e-324, 1e21], none)), "a double has no exponent");
    assert.match(writeAnswer(2147483647, none), /<int>/);
    assert.match(writeAnswer(2147483648, none), /<i8>/);
  });

  test("what cannot be carried is a mistake that says so", () => {
    assert.throws(() => writeAnswer(2n ** 63n, none), /more than 64 bits/);
    assert.throws(() => writeAnswer(["\0"], none), /a character that XML cannot carry/);
    assert.throws(() => writeAnswer({ "\ud800": 1 }, none), /a name that XML cannot carry/);
    assert.match(writeFault({ code: 1, message: "a\0b" }), /a\ufffdb/);
    const answers = writeAnswers([[1], [2n ** 64n], [3]], []);
    assert.match(answers, /<int>1<.*faultString.*64 bits.*<int>3</s);
  });

  test("bytes and times go back as what they were, and as what the procedure says", () => {
    const types = new Map([["AAEC", "base64"]] as const);
    assert.match(writeAnswer({ a: ["AAEC", "AAED"] }, { types, schema: {} }), /<base64>AAEC<.*<string>AAED</);
    const schema = { properties: { at: { type: "string", format: "date-time" } } };
    const answer = writeAnswer({ at: "2026-01-31T14:08:55.123Z" }, { types: new Map(), schema });
    assert.match(answer, /<dateTime\.iso8601>20260131T14:08:55</);
  });

  test("encodings are as the standard has them", () => {
    const text = "<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>";
    assert.equal(decodeXml(Buffer.from(text, "latin1"), undefined), text);
    assert.equal(decodeXml(Buffer.from(text), "utf-8"), text);
    assert.equal(decodeXml(Buffer.from(`\ufeff${text}`), undefined), text);
    assert.equal(decodeXml(Buffer.from(`\ufeff${text}`, "utf16le"), undefined), text);
    assert.throws(
      () => decodeXml(Buffer.from("<?xml version='1.0' encoding='utf-7'?><a/>"), undefined),
      /utf-7/,
    );
    assert.throws(() => decodeXml(Buffer.from("\xff", "latin1"), undefined), /not utf-8/);
  });
});

suite("XML", () => {
  const parts = (document: string) => {
    const reader = new XmlReader(document);
    const all: string[] = [];
    for (let part = reader.next(); part !== undefined; part = reader.next()) {
      all.push(
        part.kind === "text" ? part.text : part.kind === "open" ? `<${part.name}>` : `</${part.name}>`,
      );
    }
    return all.join("|");
  };

  test("what is well-formed is read", () => {
    assert.equal(parts("<a/>"), "<a>|</a>");
    assert.equal(
      parts("<?xml version='1.0'?>\n<!-- x --><a b='c' d=\"e>\"\n>t<b />u</a >\n<!-- y -->"),
      "<a>|t|<b>|</b>|u|</a>",
    );
  });

  test("what is not is refused, with the place", () => {
    for (const document of [
      "",
      "x",
      "<a>",
      "<a></b>",
      "</a>",
      "<a></a><b/>",
      "<a/>x",
      "<a",
      "<a b>",
      "<a b=c/>",
      "<a b='<'/>",
      "< a/>",
      "<a>&nbsp;</a>",
      "<a>&</a>",
      "<a>&#0;</a>",
      "<a>&#x110000;</a>",
      "<a>&#xD800;</a>",
      "<a>\0</a>",
      "<a>\ufffe</a>",
      "<!-- ",
      "<a><![CDATA[",
      "<?x",
      "<a/></a>",
      "<a></a x>",
      "<1/>",
    ]) {
      assert.throws(() => parts(document), { code: "invalid", message: /^XML, character \d+: / }, document);
    }
  });

  test("there are no document types, so that nothing grows", () => {
    const laughs = `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]><lolz>&lol2;</lolz>`;
    assert.throws(() => parts(laughs), /a document type, which is not allowed/);
    assert.throws(() => parts(`<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>`), /a document type/);
    assert.throws(() => parts("<a>&xxe;</a>"), { code: "invalid" });
  });

  test("depth is bounded, in elements and in values", () => {
    assert.throws(() => parts("<a>".repeat(1_000_000)), { code: "limit" });
    const nest = (depth: number) =>
      `${"<array><data><value>".repeat(depth)}<int>1</int>${"</value></data></array>".repeat(depth)}`;
    assert.notEqual(call(nest(64)), undefined);
    assert.throws(() => call(nest(65)), { code: "limit" });
  });

  test("what is XML but no call is refused", () => {
    for (const document of [
      "<a/>",
      "<methodCall/>",
      "<methodCall><methodName>x</methodName><params/></methodCall><a/>",
      "<methodCall>x<methodName>x</methodName></methodCall>",
      "<methodCall><methodName><a/></methodName></methodCall>",
    ]) {
      assert.throws(() => readCall(document), { code: "invalid" }, document);
    }
    for (const value of [
      "<int>1.5</int>",
      "<int></int>",
      "<int>0x10</int>",
      "<double>nan</double>",
      "<double>1e999</double>",
      "<boolean>true</boolean>",
      "<base64>@@@@</base64>",
      "<dateTime.iso8601>today</dateTime.iso8601>",
      "<float64>1</float64>",
      "x<int>1</int>",
      "<int>1</int>x",
      "<int>1</int><int>2</int>",
      "<array/>",
      "<array><data>x</data></array>",
      "<struct><name/></struct>",
      "<nil>x</nil>",
      "<array><data></data><data/></array>",
      "<struct><member><name>a</name></member></struct>",
      `<int>${"9".repeat(5_000)}</int>`,
    ]) {
      assert.throws(() => call(value), /TetherError/, value);
    }
  });
});

const [port = 0, tokens = 0] = await freePorts(2);
const agent = await startAgent(
  { after },
  {
    configuration: {
      gateways: [
        { kind: "xmlrpc", port, aliases: { addtogether: "math.sum" }, limits: { requestBytes: "256KiB" } },
        { kind: "xmlrpc", port: tokens, tokens: true },
      ],
    },
  },
);

async function post(body: string | Buffer, headers: { [name: string]: string } = {}, path = "/RPC2") {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: "POST",
    headers: { "Content-Type": "text/xml", ...headers },
    body,
  });
  return { status: response.status, body: await response.text() };
}

const MULTIPLY =
  "<methodCall><methodName>math.multiply</methodName><params><param><value><int>6</int></value></param><param><value><i4>7</i4></value></param></params></methodCall>";

suite("XML-RPC over HTTP", () => {
  test("at /RPC2 and /, and only text/xml", async () => {
    for (const path of ["/RPC2", "/"]) {
      const answer = await post(MULTIPLY, {}, path);
      assert.equal(answer.status, 200);
      assert.match(
        answer.body,
        /^<\?xml version='1\.0'\?>\n<methodResponse><params><param><value><int>42<\/int>/,
      );
    }
    assert.equal((await post(MULTIPLY, {}, "/x")).status, 404);
    for (const type of ["application/xml", "application/json", "text/plain", "text/xml; charset=utf-7"]) {
      assert.equal((await post(MULTIPLY, { "Content-Type": type })).status, 415, type);
    }
    assert.equal((await fetch(`http://127.0.0.1:${port}/RPC2`)).status, 405);
    assert.equal((await post(MULTIPLY, { Origin: "http://evil.example" })).status, 403);
  });

  test("faults have codes", async () => {
    const fault = async (body: string) =>
      Number(/faultCode<\/name><value><int>(-?\d+)/.exec((await post(body)).body)?.[1]);
    assert.equal(await fault("<methodCall>"), -32700);
    assert.equal(await fault("<!DOCTYPE x><methodCall/>"), -32700);
    assert.equal(await fault(MULTIPLY.replace("math.multiply", "nothing")), -32601);
    assert.equal(await fault(MULTIPLY.replace("math.multiply", "system.info")), -32004);
    assert.equal(await fault(MULTIPLY.replace("<int>6</int>", "six")), -32602);
  });

  test("a zipped request is unzipped only so far", async () => {
    assert.match((await post(gzipSync(MULTIPLY), { "Content-Encoding": "gzip" })).body, /<int>42</);
    const bomb = gzipSync(Buffer.alloc(100 << 20, "<"));
    assert.ok(bomb.length < 200_000);
    assert.equal((await post(bomb, { "Content-Encoding": "gzip" })).status, 413);
    assert.equal((await post("x".repeat(300_000))).status, 413);
  });
});

suite("Python's xmlrpc.client", { skip: missing("python3") }, () => {
  test("a proxy calls as if the procedures were its own", async () => {
    const program = `
import sys, xmlrpc.client
from datetime import datetime
proxy = xmlrpc.client.ServerProxy("http://127.0.0.1:" + sys.argv[1], allow_none=True)
assert proxy.math.multiply(6, 7) == 42
assert proxy.addtogether(1, 2, 3) == 6 and proxy.addtogether("green", "house") == "greenhouse"
assert proxy.text.upper("grüße <&> 🌡") == "GRÜSSE <&> 🌡"
for value in [None, True, 0, -2**31, 1.5, -1e-7, "", "a\\tb\\n", [], [1, [None]], {}, {"a": {"b": [1.5, ""]}}]:
    assert proxy.text.echo(value) == value, value
assert proxy.math.multiply(2000000000, 4) == 8000000000
assert proxy.math.multiply(-2000000000, 2000000000) == -4 * 10 ** 18
try:
    proxy.math.evaluate("2**64")
    assert False
except xmlrpc.client.Fault as fault:
    assert fault.faultCode == -32602 and "64 bits" in fault.faultString, fault
now = xmlrpc.client.DateTime(datetime(2026, 1, 31, 14, 8, 55))
assert proxy.text.echo([now]) == [now]
assert proxy.text.echo(xmlrpc.client.Binary(b"\\0\\xff")).data == b"\\0\\xff"
typed = xmlrpc.client.ServerProxy("http://127.0.0.1:" + sys.argv[1] + "/RPC2", use_builtin_types=True)
assert typed.text.echo({"t": datetime(2026, 1, 31)}) == {"t": datetime(2026, 1, 31)}
assert typed.bytes.pack(">hB", -2, 3) == b"\\xff\\xfe\\x03"
assert typed.bytes.unpack(">hB", b"\\xff\\xfe\\x03") == [-2, 3]
assert typed.bytes.decompress(typed.bytes.compress(b"x" * 1000)) == b"x" * 1000
latin = xmlrpc.client.ServerProxy("http://127.0.0.1:" + sys.argv[1], encoding="iso-8859-1")
assert latin.text.upper("é") == "É"
names = proxy.system.listMethods()
assert "math.multiply" in names and "addtogether" in names and "system.info" not in names
assert proxy.system.methodSignature("math.multiply") == [["double", "double", "double"]], proxy.system.methodSignature("math.multiply")
assert "math.sum" in proxy.system.methodHelp("addtogether")
for method, code in [("nothing", -32601), ("system.info", -32004)]:
    try:
        getattr(proxy, method)()
        assert False
    except xmlrpc.client.Fault as fault:
        assert fault.faultCode == code, fault
print("ok")`;
    assert.equal(await python(program, port), "ok\n");
  });

  test("a MultiCall gives answers in order, faults in their places", async () => {
    const program = `
import sys, xmlrpc.client
proxy = xmlrpc.client.ServerProxy("http://127.0.0.1:" + sys.argv[1], use_builtin_types=True)
multi = xmlrpc.client.MultiCall(proxy)
multi.math.multiply(6, 7)
multi.addtogether(1, 2)
multi.math.evaluate("2**64")
multi.nothing()
multi.system.info()
multi.system.multicall([])
multi.bytes.pack("B", 7)
multi.text.echo(b"x")
results = multi()
answers = []
for n in range(8):
    try:
        answers.append(results[n])
    except xmlrpc.client.Fault as fault:
        answers.append(fault.faultCode)
print(answers)
print(proxy.system.multicall([{"methodName": "math.add", "params": [1, 2]}]))`;
    assert.equal(
      await python(program, port),
      "[42, 3, -32602, -32601, -32004, -32004, b'\\x07', b'x']\n[[3]]\n",
    );
  });

  test("a zipped request, a token as a password, and many clients at once", async () => {
    const made = await agent.tetherd(["token", "--json"]);
    const { token } = JSON.parse(made.stdout) as { token: string };
    const program = `
import sys, threading, xmlrpc.client
class Zipping(xmlrpc.client.Transport):
    encode_threshold = 10
proxy = xmlrpc.client.ServerProxy("http://127.0.0.1:" + sys.argv[1], transport=Zipping())
assert proxy.text.lower("X" * 100000) == "x" * 100000
assert xmlrpc.client.ServerProxy("http://any:" + sys.argv[3] + "@127.0.0.1:" + sys.argv[2]).math.add(1, 2) == 3
try:
    xmlrpc.client.ServerProxy("http://127.0.0.1:" + sys.argv[2]).math.add(1, 2)
    assert False
except xmlrpc.client.ProtocolError as error:
    assert error.errcode == 401
wrong = []
def client(n):
    with xmlrpc.client.ServerProxy("http://127.0.0.1:" + sys.argv[1]) as own:
        for k in range(10):
            if own.math.multiply(n, k) != n * k: wrong.append(n)
threads = [threading.Thread(target=client, args=(n,)) for n in range(40)]
for t in threads: t.start()
for t in threads: t.join()
print(wrong)`;
    assert.equal(await python(program, port, tokens, token), "[]\n");
  });
});
