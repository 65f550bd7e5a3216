import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { freePort } from "../test/free-port.ts";
import { findCommand } from "../test/peers.ts";
import { scratchFolder } from "./scratch.ts";
import type { Cleanup } from "./worker.ts";

/** How to reach an SSH server of this machine, with keys of its own. */
export interface SshServer {
  /** What stands behind `ssh`, the host included: a fresh connection each time. */
  readonly arguments: readonly string[];
  /** The same through a connection that a control master holds open. */
  readonly mastered: readonly string[];
}

/**
 * Starts sshd on a free loopback port. Takes the peer `sshd`, and root where sshd wants it.
 *
 * @param inside what stands before a command so that it runs where the server is to be
 */
export async function startSshServer(cleanup: Cleanup, inside: readonly string[] = []): Promise<SshServer> {
  const folder = await scratchFolder(cleanup);
  const [hostKey, key] = [join(folder, "host-key"), join(folder, "key")];
  for (const file of [hostKey, key]) {
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", file]);
  }
  const port = await freePort();
  const file = join(folder, "sshd_config");
  writeFileSync(
    file,
    [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${key}.pub`,
      "PidFile none",
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "Subsystem sftp internal-sftp",
      "MaxStartups 100",
      // Deeper than the first level, bash does not read ~/.bashrc, whose time is not ssh's.
      "SetEnv SHLVL=5",
    ].join("\n"),
  );
  // Debian's sshd drops its privileges there, and only its unit makes the folder.
  if (userInfo().uid === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const [command, ...serve] = [...inside, findCommand("sshd") ?? "sshd", "-D", "-e", "-f", file] as const;
  const server = spawn(command ?? "", serve, { stdio: "ignore" });
  cleanup.after(() => server.kill());

  const options = ["-p", String(port), "-i", key, "-F", "none"];
  for (const option of [
    "IdentitiesOnly=yes",
    "BatchMode=yes",
    "LogLevel=ERROR",
    "StrictHostKeyChecking=no",
  ]) {
    options.push("-o", option);
  }
  options.push("-o", `UserKnownHostsFile=${join(folder, "known_hosts")}`);
  const host = `${userInfo().username}@127.0.0.1`;
  const plain = [...options, host];
  await untilSucceeds([...inside, "ssh", ...plain, "true"]);

  const socket = join(folder, "control");
  const mastered = [...options, "-o", `ControlPath=${socket}`, host];
  const [client, ...hold] = [...inside, "ssh", "-M", "-N", ...mastered];
  const master = spawn(client ?? "", hold, { stdio: "ignore" });
  cleanup.after(() => master.kill());
  await untilSucceeds([...inside, "ssh", "-O", "check", ...mastered]);
  return { arguments: plain, mastered };
}

async function untilSucceeds([command = "", ...args]: readonly string[]): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      execFileSync(command, args, { stdio: "ignore" });
      return;
    } catch (error) {
      if (tries === 50) throw error;
      await wait(100);
    }
  }
}
