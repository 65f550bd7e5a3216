import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  configurationFile,
  formatMistake,
  type LoadedConfiguration,
  loadConfiguration,
  stateFolder,
} from "../../agent/config/index.ts";
import { cleanName, TetherError } from "../../protocol/index.ts";
import { EXAMPLE, KNOWN } from "./surroundings.ts";

/** A fresh folder with a state folder in it, removed after the test. */
async function folderFor(t: TestContext): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "tether-config-")));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, "state"), { mode: 0o700 });
  return folder;
}

/** Loads a text from agent.yaml in the folder. */
async function load(folder: string, text: string | Uint8Array): Promise<LoadedConfiguration> {
  const file = join(folder, "agent.yaml");
  await writeFile(file, text);
  return await loadConfiguration(file, { stateFolder: join(folder, "state"), known: KNOWN });
}

function mistakesOf(loaded: LoadedConfiguration): string[] {
  return loaded.ok ? [] : loaded.mistakes.map((mistake) => formatMistake("f", mistake));
}

async function secret(path: string, mode = 0o600): Promise<string> {
  await writeFile(path, "secret\n");
  await chmod(path, mode);
  return path;
}

test("the whole example loads, its files in place", async (t) => {
  const folder = await folderFor(t);
  const [ftp, mqtt] = [join(folder, "ftp-password"), join(folder, "mqtt-password")];
  await secret(ftp);
  await secret(mqtt, 0o640);
  await mkdir(join(folder, "procedures"), { mode: 0o755 });
  await writeFile(join(folder, "procedures", "a.mjs"), "", { mode: 0o644 });
  const text = EXAMPLE.replace("/etc/tether/ftp-password", ftp)
    .replace("/etc/tether/mqtt-password", mqtt)
    .replace("/etc/tether/procedures", join(folder, "procedures"))
    .replace("/var/lib/tether/files", join(folder, "state", "files"));
  assert.deepEqual(mistakesOf(await load(folder, text)), []);
});

test("without a file the defaults hold, with the host's name and files in the state folder", async (t) => {
  const folder = await folderFor(t);
  const loaded = await loadConfiguration(undefined, { stateFolder: folder, known: KNOWN });
  assert.ok(loaded.ok);
  assert.equal(loaded.configuration.name, cleanName(hostname(), "agent"));
  assert.equal(loaded.configuration.files.root, join(folder, "files"));
});

test("the error tells the first mistake and how many more there are", async (t) => {
  const folder = await folderFor(t);
  const loaded = await load(folder, "nmae: x\nlisten: { port: x }\ntags: 1\n");
  assert.ok(!loaded.ok && loaded.error instanceof TetherError);
  assert.equal(loaded.mistakes.length, 3);
  assert.equal(loaded.error.code, "invalid");
  assert.equal(
    loaded.error.message,
    `${join(folder, "agent.yaml")}:1:1: the configuration has an unknown key "nmae", nearest: name (and 2 more; run tetherd check)`,
  );
  const one = await load(folder, "tags: 1\n");
  assert.ok(!one.ok);
  assert.equal(
    one.error.message,
    `${join(folder, "agent.yaml")}:1:7: tags is 1, allowed: a list of 0 to 16 items`,
  );
});

test("a file that is missing, a folder, too large or no text is one clear line", async (t) => {
  const folder = await folderFor(t);
  const surroundings = { stateFolder: join(folder, "state"), known: KNOWN };
  const missing = await loadConfiguration(join(folder, "none.yaml"), surroundings);
  assert.ok(!missing.ok);
  assert.equal(missing.error.code, "not-found");
  assert.equal(missing.error.message, `${join(folder, "none.yaml")}: there is no such file`);
  const directory = await loadConfiguration(folder, surroundings);
  assert.ok(!directory.ok);
  assert.equal(directory.error.code, "invalid");
  const endless = await loadConfiguration("/dev/zero", surroundings);
  assert.deepEqual(mistakesOf(endless), ["f:1:1: the file is too large, allowed: up to 256KiB"]);
  const latin = await load(folder, Buffer.from("name: a\ntags: [caf\xe9]\n", "latin1"));
  assert.deepEqual(mistakesOf(latin), ["f:2:11: no text in UTF-8, allowed: UTF-8"]);
});

test("what is secret or code may not lie in files.root, by name or behind a link", async (t) => {
  const folder = await folderFor(t);
  const root = join(folder, "root");
  await mkdir(join(root, "procedures"), { recursive: true });
  await secret(join(root, "password"));
  await symlink(root, join(folder, "link"));
  await secret(join(folder, "outside"));
  await symlink(join(folder, "outside"), join(root, "pointer"));
  const text = (password: string, procedures: string) =>
    `files: { root: ${root} }\ncompute:\n  procedures: ${procedures}\nmqtt: { broker: {}, username: a, passwordFile: ${password} }\n`;
  const inside = (key: string, path: string) =>
    `${key} is ${path}, inside files.root, allowed: a path outside of it`;

  for (const password of [join(root, "password"), join(folder, "link", "password"), join(root, "pointer")]) {
    assert.deepEqual(mistakesOf(await load(folder, text(password, join(folder, "procedures")))), [
      `f:4:48: ${inside("mqtt.passwordFile", password)}`,
    ]);
  }
  const procedures = join(folder, "link", "procedures");
  assert.deepEqual(mistakesOf(await load(folder, text(join(folder, "outside"), procedures))), [
    `f:3:15: ${inside("compute.procedures", procedures)}`,
  ]);
});

test("files.root holds neither the configuration nor the state, and only STATE/files is within the state", async (t) => {
  const folder = await folderFor(t);
  const state = join(folder, "state");
  const message = async (root: string) => mistakesOf(await load(folder, `files: { root: ${root} }\n`));
  assert.deepEqual(await message(folder), [
    `f:1:16: files.root holds the configuration file, allowed: a folder without ${join(folder, "agent.yaml")}`,
    `f:1:16: files.root holds the state folder ${state}, allowed: ${join(state, "files")} or a folder outside`,
  ]);
  assert.deepEqual(await message(state), [
    `f:1:16: files.root holds the state folder ${state}, allowed: ${join(state, "files")} or a folder outside`,
  ]);
  assert.deepEqual(await message(join(state, "keys")), [
    `f:1:16: files.root is in the state folder, allowed: ${join(state, "files")} or a folder outside`,
  ]);
  assert.deepEqual(await message(join(state, "files")), []);
  assert.deepEqual(await message(join(folder, "files")), []);
  assert.deepEqual(await message(`${folder}/stat`), []);
  await symlink(state, join(folder, "files"));
  assert.equal((await message(join(folder, "files"))).length, 1);
});

test("procedures that others can write are refused, the folder, a file and what a link points at", async (t) => {
  const folder = await folderFor(t);
  const procedures = join(folder, "procedures");
  await mkdir(join(procedures, "lib"), { recursive: true });
  await chmod(procedures, 0o755);
  await chmod(join(procedures, "lib"), 0o755);
  const file = join(procedures, "lib", "a.mjs");
  await writeFile(file, "");
  await writeFile(join(folder, "elsewhere.mjs"), "");
  await symlink(join(folder, "elsewhere.mjs"), join(procedures, "b.mjs"));
  const mistakes = async () => mistakesOf(await load(folder, `compute: { procedures: ${procedures} }\n`));
  const says = (what: string, mode: string) =>
    `f:1:24: compute.procedures ${what}, which others can write (mode ${mode}), allowed: 0755, 0644 or less`;

  await chmod(file, 0o644);
  await chmod(join(folder, "elsewhere.mjs"), 0o644);
  assert.deepEqual(await mistakes(), []);
  await chmod(file, 0o664);
  assert.deepEqual(await mistakes(), [says(`has ${file}`, "0664")]);
  await chmod(file, 0o600);
  await chmod(join(folder, "elsewhere.mjs"), 0o602);
  assert.deepEqual(await mistakes(), [says(`has ${join(procedures, "b.mjs")}`, "0602")]);
  await chmod(join(folder, "elsewhere.mjs"), 0o600);
  await chmod(procedures, 0o777);
  assert.deepEqual(await mistakes(), [says(`is ${procedures}`, "0777")]);
});

test("passwords and keys that others may use are refused", async (t) => {
  const folder = await folderFor(t);
  const path = await secret(join(folder, "key"));
  const text = `gateways:\n  - { kind: http, port: 1, tls: { certificate: /a, key: ${path} } }\n`;
  assert.deepEqual(mistakesOf(await load(folder, text)), []);
  for (const mode of [0o604, 0o660, 0o644, 0o601]) {
    await chmod(path, mode);
    assert.deepEqual(mistakesOf(await load(folder, text)), [
      `f:2:57: gateways[0].tls.key is ${path}, which others may use (mode 0${mode.toString(8)}), allowed: mode 0600, 0640 or less`,
    ]);
  }
  const folderText = text.replace(path, folder);
  assert.match(mistakesOf(await load(folder, folderText)).join(), /is .*, no file, allowed: a file/);
});

test("mistakes of the text and of the places come in one run", async (t) => {
  const folder = await folderFor(t);
  const loaded = await load(folder, `files: { root: ${folder}, quta: 1GiB }\nnmae: x\n`);
  assert.deepEqual(
    mistakesOf(loaded).map((line) => line.split(": ")[0]?.replace(/:\d+$/, "")),
    ["f:1", "f:1", "f:1", "f:2"],
  );
});

test("the state folder is the option's, systemd's first, XDG's or the home's", () => {
  assert.equal(stateFolder("/a/b", { STATE_DIRECTORY: "/s" }, "/home/pi"), "/a/b");
  assert.equal(stateFolder("x", {}, "/home/pi"), join(process.cwd(), "x"));
  assert.equal(stateFolder(undefined, { STATE_DIRECTORY: "/s:/t", XDG_STATE_HOME: "/x" }, "/home/pi"), "/s");
  assert.equal(
    stateFolder(undefined, { STATE_DIRECTORY: "", XDG_STATE_HOME: "/x" }, "/home/pi"),
    "/x/tether",
  );
  assert.equal(stateFolder(undefined, { XDG_STATE_HOME: "x" }, "/home/pi"), "/home/pi/.local/state/tether");
  assert.equal(stateFolder(undefined, {}, "/home/pi"), "/home/pi/.local/state/tether");
  assert.throws(() => stateFolder("", {}, "/home/pi"), { code: "usage" });
});

test("the configuration file is the option's, else the standard one where it is", async (t) => {
  const folder = await folderFor(t);
  const standard = join(folder, "agent.yaml");
  assert.equal(await configurationFile("/a/b.yaml", standard), "/a/b.yaml");
  assert.equal(await configurationFile(undefined, standard), undefined);
  await writeFile(standard, "");
  assert.equal(await configurationFile(undefined, standard), standard);
});

test("a recording has to be there, and a file that can be read", async (t) => {
  const folder = await folderFor(t);
  const config = (path: string) => `devices:\n  - name: b\n    serial: { simulate: ${path} }\n`;
  const absent = join(folder, "absent.jsonl");
  assert.deepEqual(mistakesOf(await load(folder, config(absent))), [
    `f:3:25: devices[0].serial.simulate is ${absent}, which is not there, allowed: a recording`,
  ]);
  assert.deepEqual(mistakesOf(await load(folder, config(folder))), [
    `f:3:25: devices[0].serial.simulate is ${folder}, no file, allowed: a recording`,
  ]);
  await writeFile(absent, "");
  const loaded = await load(folder, config(absent));
  assert.ok(loaded.ok, mistakesOf(loaded).join());
  assert.deepEqual(loaded.configuration.devices[0]?.port, {
    kind: "simulate",
    what: absent,
    baudRate: 115_200,
  });
});
