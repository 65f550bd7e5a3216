import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { choosePort, type PortFacts } from "../../firmware-bridge/link/ports.ts";
import { sysfsPorts } from "../../firmware-bridge/link/sysfs-ports.ts";
import type { PortChoice } from "../../firmware-bridge/profile.ts";

const run = promisify(execFile);
const PORTS = join(import.meta.dirname, "../../firmware-bridge/link/ports.ts");
const LIST = `import(${JSON.stringify(PORTS)}).then(async ({ listPorts }) => {
  try { console.log(JSON.stringify(await listPorts())); }
  catch (error) { console.log(JSON.stringify(error)); }
});`;

/** Lists ports in a process of its own whose path is `path`, so that this machine's udev makes no difference. */
async function listWith(path: string, ...args: string[]): Promise<unknown> {
  const { stdout } = await run(process.execPath, ["--import", "tsx", ...args, "--eval", LIST], {
    env: { ...process.env, PATH: path },
  });
  return JSON.parse(stdout);
}

const PORTS_FOUND: readonly PortFacts[] = [
  { path: "/dev/ttyACM0", vendorId: "2341", productId: "0043", serialNumber: "A1" },
  { path: "/dev/ttyACM1", vendorId: "2341", productId: "0043", serialNumber: "A2" },
  { path: "/dev/ttyUSB0", vendorId: "1a86", productId: "7523" },
  { path: "/dev/ttyUSB1", vendorId: "1a86", productId: "5523", serialNumber: "" },
  { path: "/dev/ttyS0" },
];

const CHOICES: readonly [what: string, match: object, chosen: string | RegExp, code?: string][] = [
  ["a serial number", { serialNumber: "A2" }, "/dev/ttyACM1"],
  ["ids in upper case with 0x", { vendorId: "0x1A86", productId: "7523" }, "/dev/ttyUSB0"],
  [
    "an id without its leading zeros",
    { vendorId: "2341", productId: "43", serialNumber: "A1" },
    "/dev/ttyACM0",
  ],
  ["several", { vendorId: "2341" }, /vendorId 2341: \/dev\/ttyACM0, \/dev\/ttyACM1$/, "device-failed"],
  ["none", { vendorId: "0403" }, /no port with vendorId 0403/, "device-missing"],
  ["another serial number", { vendorId: "2341", serialNumber: "A3" }, /"A3"/, "device-missing"],
  ["an empty serial number", { productId: "5523", serialNumber: "" }, /""/, "device-missing"],
];

for (const [what, match, chosen, code] of CHOICES) {
  test(`ports: match by ${what}`, () => {
    const choice: Extract<PortChoice, { kind: "match" }> = { kind: "match", baudRate: 9600, ...match };
    if (typeof chosen === "string") assert.equal(choosePort(choice, PORTS_FOUND).path, chosen);
    else assert.throws(() => choosePort(choice, PORTS_FOUND), { code, message: chosen });
  });
}

test("ports: what udev says is listed by path, in lower case", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tether-udev-"));
  t.after(() => rm(folder, { recursive: true }));
  const database = `P: /devices/b
N: ttyUSB3
E: DEVNAME=/dev/ttyUSB3
E: ID_VENDOR_ID=1A86
E: ID_MODEL_ID=7523

P: /devices/a
N: ttyACM0
E: DEVNAME=/dev/ttyACM0
E: ID_VENDOR_ENC=Arduino\\x20(www.arduino.cc)
E: ID_VENDOR_ID=2341
E: ID_MODEL_ID=0043
E: ID_SERIAL_SHORT=75230
`;
  const udevadm = join(folder, "udevadm");
  await writeFile(udevadm, `#!/bin/sh\n/bin/cat <<'END'\n${database}END\n`);
  await chmod(udevadm, 0o755);
  assert.deepEqual(await listWith(folder), [
    {
      path: "/dev/ttyACM0",
      manufacturer: "Arduino (www.arduino.cc)",
      serialNumber: "75230",
      vendorId: "2341",
      productId: "0043",
    },
    { path: "/dev/ttyUSB3", vendorId: "1a86", productId: "7523" },
  ]);
});

test("ports: without udevadm the kernel's own list is given", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tether-no-udev-"));
  t.after(() => rm(folder, { recursive: true }));
  assert.deepEqual(await listWith(folder), await sysfsPorts());
});

test("ports: what the kernel lists is what hangs on hardware, with the facts of its USB device", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tether-sysfs-"));
  t.after(() => rm(folder, { recursive: true }));
  const terminals = join(folder, "class");
  const add = async (name: string, device: string, facts: { readonly [file: string]: string } = {}) => {
    await mkdir(join(terminals, name), { recursive: true });
    await mkdir(join(folder, device), { recursive: true });
    await symlink(join(folder, device), join(terminals, name, "device"));
    for (const [file, text] of Object.entries(facts)) await writeFile(join(folder, file), `${text}\n`);
  };
  await add("ttyACM0", "usb/1-1/1-1:1.0", {
    "usb/1-1/idVendor": "2341",
    "usb/1-1/idProduct": "0043",
    "usb/1-1/serial": "75230",
    "usb/1-1/manufacturer": "Arduino (www.arduino.cc)",
  });
  await add("ttyUSB10", "usb/1-2/1-2:1.0/ttyUSB10", {
    "usb/1-2/idVendor": "1a86",
    "usb/1-2/idProduct": "7523",
    "usb/1-2/serial": "",
  });
  await add("ttyAMA0", "soc/uart", { "class/ttyAMA0/type": "32" });
  await add("ttyS3", "platform/serial8250", { "class/ttyS3/type": "0" });
  await add("ttyprintk", "virtual");
  await mkdir(join(terminals, "tty1"));
  const ports = (await sysfsPorts(terminals)).sort((a, b) => (a.path < b.path ? -1 : 1));
  assert.deepEqual(ports, [
    {
      path: "/dev/ttyACM0",
      manufacturer: "Arduino (www.arduino.cc)",
      serialNumber: "75230",
      vendorId: "2341",
      productId: "0043",
    },
    { path: "/dev/ttyAMA0" },
    { path: "/dev/ttyUSB10", vendorId: "1a86", productId: "7523" },
  ]);
  assert.deepEqual(await sysfsPorts(join(folder, "absent")), []);
});

test("ports: without the native addon the list fails in one line that says what to do", async () => {
  const hide = `import { register } from "node:module";
    register("data:text/javascript," + encodeURIComponent(
      'export async function resolve(name, context, next) {' +
      ' if (name === "serialport") throw new Error("No native build was found\\\\nfor platform=none");' +
      ' return next(name, context); }'));`;
  const failure = await listWith("", "--import", `data:text/javascript,${encodeURIComponent(hide)}`);
  assert.deepEqual(failure, {
    code: "device-failed",
    message: "the serial port module cannot be loaded: No native build was found",
    hint: "its addon for this processor has to lie beside the program: install the whole package again",
  });
});
