/**
 * The programs of others that tests talk to: one table for what proves that one is there, what brings it, what
 * a skipped test says and what CI installs.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { TestContext } from "node:test";

interface Peer {
  /** Programs that must be on the path. */
  readonly commands?: readonly string[];
  readonly files?: readonly string[];
  /** A module that Debian's own Python must know. */
  readonly pythonModule?: string;
  /** A command line that must succeed, for what no file proves. */
  readonly probe?: readonly [command: string, ...args: string[]];
  /** The Debian packages that bring it. */
  readonly packages: readonly string[];
}

const PEERS = {
  arduino: {
    files: ["/usr/share/arduino/hardware/arduino/avr/cores/arduino/Arduino.h"],
    packages: ["arduino-core-avr"],
  },
  avrdude: { commands: ["avrdude"], packages: ["avrdude"] },
  curl: { commands: ["curl"], packages: ["curl"] },
  git: { commands: ["git"], packages: ["git"] },
  lftp: { commands: ["lftp"], packages: ["lftp"] },
  mosquitto: {
    commands: ["mosquitto", "mosquitto_pub", "mosquitto_sub"],
    packages: ["mosquitto", "mosquitto-clients"],
  },
  netcat: { commands: ["nc"], packages: ["netcat-openbsd"] },
  netns: {
    commands: ["ip", "nft", "iptables"],
    // Namespaces also need root, and a kernel that lets this machine have them.
    probe: ["unshare", "--net", "true"],
    packages: ["iproute2", "nftables", "iptables", "util-linux"],
  },
  openssl: { commands: ["openssl"], packages: ["openssl"] },
  pyftpdlib: { pythonModule: "pyftpdlib", packages: ["python3-pyftpdlib"] },
  pymodbus: {
    pythonModule: "pymodbus.server, serial_asyncio",
    packages: ["python3-pymodbus", "python3-serial-asyncio"],
  },
  pyserial: { pythonModule: "serial", packages: ["python3-serial"] },
  python3: { files: ["/usr/bin/python3"], packages: ["python3"] },
  rsync: { commands: ["rsync"], packages: ["rsync"] },
  ser2net: { commands: ["ser2net"], packages: ["ser2net"] },
  simavr: {
    commands: ["gcc", "avr-gcc", "avr-objcopy"],
    files: ["/usr/include/simavr/sim_avr.h", "/usr/include/libelf.h", "/usr/lib/avr/include/avr/io.h"],
    packages: [
      "simavr",
      "libsimavr-dev",
      "libelf-dev",
      "gcc-avr",
      "binutils-avr",
      "avr-libc",
      "gcc",
      "libc6-dev",
    ],
  },
  socat: { commands: ["socat"], packages: ["socat"] },
  sshd: {
    commands: ["ssh", "ssh-keygen", "sshd"],
    packages: ["openssh-server", "openssh-client"],
  },
  strace: { commands: ["strace"], packages: ["strace"] },
  tmux: { commands: ["tmux"], packages: ["tmux"] },
  tnftp: { commands: ["tnftp"], packages: ["tnftp"] },
  vsftpd: { commands: ["vsftpd"], packages: ["vsftpd"] },
} as const satisfies Record<string, Peer>;

export type PeerName = keyof typeof PEERS;

/** Debian's Python, which is the one that its packages belong to. */
export const PYTHON = "/usr/bin/python3";

/** Where daemons live, which is not on everybody's path. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** The path of a program, or undefined when there is none. */
export function findCommand(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), ...SYSTEM_FOLDERS];
  return folders.map((folder) => join(folder, name)).find((file) => permits(file, constants.X_OK));
}

/**
 * Says why a test that needs these peers cannot run, or gives false: `test("…", { skip: missing("socat") }, …)`.
 *
 * Throws instead where TETHER_PEERS is `required`, as it is in CI.
 */
export function missing(...names: PeerName[]): string | false {
  const absent = names.filter((name) => !isPresent(PEERS[name]));
  if (absent.length === 0) return false;
  const reason = `needs ${absent.join(", ")}: apt-get install ${packagesOf(absent).join(" ")}`;
  if (arePeersRequired()) throw new Error(reason);
  return reason;
}

/**
 * Skips the test unless all of these peers are there: `if (!needs(t, "socat")) return;`.
 *
 * Throws instead where TETHER_PEERS is `required`.
 */
export function needs(t: TestContext, ...names: PeerName[]): boolean {
  const reason = missing(...names);
  if (reason !== false) t.skip(reason);
  return reason === false;
}

/** True where a test that lacks what it needs must fail instead of being skipped. */
export function arePeersRequired(): boolean {
  return process.env.TETHER_PEERS === "required";
}

/** The Debian packages of these peers, sorted, each once. */
export function packagesOf(names: readonly PeerName[]): string[] {
  return [...new Set(names.flatMap((name) => PEERS[name].packages))].sort();
}

/** Every peer of the table. */
export function allPeers(): PeerName[] {
  return Object.keys(PEERS) as PeerName[];
}

/** The peers that a reason given by `missing` names; none for any other text. */
export function peersInReason(reason: string): PeerName[] {
  const list = /^needs ([^:]+): apt-get install /.exec(reason)?.[1] ?? "";
  return list.split(", ").filter((name): name is PeerName => Object.hasOwn(PEERS, name));
}

function isPresent(peer: Peer): boolean {
  return (
    (peer.commands ?? []).every((name) => findCommand(name) !== undefined) &&
    (peer.files ?? []).every((file) => permits(file, constants.R_OK)) &&
    (peer.pythonModule === undefined || succeeds(PYTHON, "-c", `import ${peer.pythonModule}`)) &&
    (peer.probe === undefined || succeeds(...peer.probe))
  );
}

function succeeds(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

function permits(file: string, mode: number): boolean {
  try {
    accessSync(file, mode);
    return true;
  } catch {
    return false;
  }
}
