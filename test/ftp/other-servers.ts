/** The FTP servers of others, on free ports of loopback, with a folder that an anonymous user may change. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { Owner } from "../agent-process.ts";
import { until } from "../firmware-bridge/until.ts";
import { freePort } from "../free-port.ts";
import { findCommand, PYTHON } from "../peers.ts";
import type { Certificates } from "./certificates.ts";
import { scratchFolder } from "./scratch.ts";

/** A server that listens. */
export interface OtherServer {
  readonly port: number;
  readonly root: string;
}

/** Starts vsftpd, whose files lie in `folder`. Takes the peer `vsftpd`. */
export async function startVsftpd(
  owner: Owner,
  tls?: Certificates,
  folder: string = scratchFolder(owner),
): Promise<OtherServer> {
  const root = join(folder, "root");
  mkdirSync(root);
  const port = await freePort();
  const configuration = join(folder, "vsftpd.conf");
  const settings: Record<string, string | number> = {
    listen: "YES",
    listen_address: "127.0.0.1",
    listen_port: port,
    background: "NO",
    run_as_launching_user: "YES",
    anonymous_enable: "YES",
    anon_root: root,
    no_anon_password: "YES",
    write_enable: "YES",
    anon_upload_enable: "YES",
    anon_mkdir_write_enable: "YES",
    anon_other_write_enable: "YES",
    anon_world_readable_only: "NO",
    anon_umask: "022",
    allow_writeable_chroot: "YES",
    xferlog_enable: "NO",
    seccomp_sandbox: "NO",
    connect_from_port_20: "NO",
    ...(tls && {
      ssl_enable: "YES",
      allow_anon_ssl: "YES",
      force_anon_data_ssl: "YES",
      force_anon_logins_ssl: "YES",
      rsa_cert_file: tls.certificate,
      rsa_private_key_file: tls.key,
      ssl_ciphers: "HIGH",
    }),
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(configuration, lines.join(""));
  chmodSync(configuration, 0o600);
  await start(owner, spawn(findCommand("vsftpd") ?? "vsftpd", [configuration]), port);
  return { port, root };
}

const PYFTPDLIB = `
import logging, sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer
logging.basicConfig(level=logging.ERROR)
port, root, certificate, key = int(sys.argv[1]), *sys.argv[2:5]
handler = FTPHandler
if certificate:
    handler = TLS_FTPHandler
    handler.certfile, handler.keyfile = certificate, key
    handler.tls_control_required = handler.tls_data_required = True
handler.authorizer = DummyAuthorizer()
handler.authorizer.add_user("pi", "right one", root, perm="elradfmwMT")
handler.authorizer.add_anonymous(root, perm="elradfmwMT")
FTPServer(("127.0.0.1", port), handler).serve_forever()
`;

/** Starts pyftpdlib, where `pi` may also come, by the password `right one`. Takes the peer `pyftpdlib`. */
export async function startPyftpdlib(owner: Owner, tls?: Certificates): Promise<OtherServer> {
  const root = join(scratchFolder(owner), "root");
  mkdirSync(root);
  const port = await freePort();
  const args = ["-W", "ignore", "-c", PYFTPDLIB, String(port), root, tls?.certificate ?? "", tls?.key ?? ""];
  await start(owner, spawn(PYTHON, args), port);
  return { port, root };
}

async function start(owner: Owner, child: ChildProcess, port: number): Promise<void> {
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  const kill = (): boolean => child.kill("SIGKILL");
  process.once("exit", kill);
  owner.after(async () => {
    process.off("exit", kill);
    if (child.exitCode !== null || child.signalCode !== null) return;
    kill();
    await once(child, "close");
  });
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`the server has ended: ${said}`);
    const socket = connect(port, "127.0.0.1");
    const connected = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    return connected;
  }, "the server to listen");
}
