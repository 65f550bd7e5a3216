import { asTetherError, FTP, isLoopback, TetherError } from "../../../protocol/index.ts";
import type { Client } from "./client.ts";
import type { Commands } from "./command.ts";
import { isLogin } from "./password.ts";

/** Who may come in without a password, where the gateway has no `user` (RFC 1635). */
const ANONYMOUS = ["anonymous", "ftp"];

/** Logging in and out (RFC 959 §4.1.1), and protecting the connections (RFC 4217). */
export const ACCESS_COMMANDS: Commands = {
  USER: {
    syntax: "USER <SP> name",
    argument: "required",
    beforeLogin: true,
    run(client, name) {
      const { tls, login } = client.door.configuration;
      client.login = undefined;
      client.user = undefined;
      if (tls !== undefined && login !== undefined && !client.isSecure && !isLoopback(client.address)) {
        client.reply(530, "a password is taken only over TLS: use AUTH TLS first");
        return;
      }
      client.user = name;
      client.reply(331, login === undefined ? "any password will do" : "now the password");
    },
  },
  PASS: {
    syntax: "PASS <SP> password",
    argument: "optional",
    beforeLogin: true,
    async run(client, password) {
      const { user } = client;
      if (user === undefined) {
        client.reply(503, "USER comes first");
        return;
      }
      client.user = undefined;
      await logIn(client, user, password);
    },
  },
  QUIT: {
    syntax: "QUIT",
    argument: "none",
    beforeLogin: true,
    run: (client) => client.end(221, "goodbye"),
  },
  AUTH: {
    syntax: "AUTH <SP> TLS",
    argument: "required",
    beforeLogin: true,
    async run(client, mechanism) {
      if (client.door.secureContext() === undefined) return client.reply(502, "this server has no TLS");
      if (client.isSecure) return client.reply(503, "the connection is protected already");
      if (!/^TLS(-C)?$/i.test(mechanism)) return client.reply(504, "only AUTH TLS");
      client.user = undefined;
      client.login = undefined;
      await client.protect(234, "TLS begins");
    },
  },
  PBSZ: {
    syntax: "PBSZ <SP> 0",
    argument: "required",
    beforeLogin: true,
    run(client, size) {
      if (client.door.secureContext() === undefined) return client.reply(502, "this server has no TLS");
      if (!client.isSecure) return client.reply(503, "AUTH comes first");
      if (!/^\d{1,10}$/.test(size)) return client.reply(501, "PBSZ takes a number");
      client.hasBufferSize = true;
      client.reply(200, "PBSZ=0");
    },
  },
  PROT: {
    syntax: "PROT <SP> P or C",
    argument: "required",
    beforeLogin: true,
    run(client, level) {
      if (client.door.secureContext() === undefined) return client.reply(502, "this server has no TLS");
      if (!client.hasBufferSize) return client.reply(503, "PBSZ comes first");
      if (/^[SE]$/i.test(level)) return client.reply(536, "TLS has no such level");
      if (!/^[CP]$/i.test(level)) return client.reply(504, "the levels are P and C");
      client.protectsData = level.toUpperCase() === "P";
      client.reply(200, client.protectsData ? "data is protected" : "data is in the clear");
    },
  },
};

async function logIn(client: Client, user: string, password: string): Promise<void> {
  const { configuration, log, attempts } = client.door;
  const { address } = client;
  if (attempts.areUsedUp(address, performance.now())) {
    client.noteRefusal(new TetherError("limit", "too many wrong passwords from one address"));
    client.end(421, "too many wrong passwords; try again in a minute");
    return;
  }
  if (await isRight(client, user, password)) {
    client.login = user;
    const { role } = configuration;
    log.info("ftp-login", `${user} logged in over FTP as ${role}`, {
      user,
      role,
      address,
      tls: client.isSecure,
    });
    client.reply(230, role === "viewer" ? "welcome; you may read" : "welcome");
    return;
  }
  // Where there is no password, none is guessed.
  if (configuration.login !== undefined) attempts.note(address, performance.now());
  client.noteRefusal(
    new TetherError("unauthorized", `a wrong user or password, for ${JSON.stringify(user)}`),
  );
  await client.pause(FTP.attemptDelay);
  if (++client.wrongPasswords < FTP.attempts) client.reply(530, "wrong user or password");
  else client.end(421, "wrong user or password, for the last time");
}

async function isRight(client: Client, user: string, password: string): Promise<boolean> {
  const { configuration, log } = client.door;
  const { login } = configuration;
  if (login === undefined) return ANONYMOUS.includes(user.toLowerCase());
  try {
    return await isLogin(login, user, password);
  } catch (thrown) {
    const { message, code } = asTetherError(thrown);
    log.error("gateway-failed", `nobody can log in over FTP: ${message}`, { kind: "ftp", code });
    return false;
  }
}
