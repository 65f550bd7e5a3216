import { CALLS, CONFIGURATION, ROLES } from "../../protocol/index.ts";
import {
  boolean,
  choice,
  durationKey,
  group,
  integer,
  list,
  map,
  mapKey,
  optional,
  required,
  section,
  sizeKey,
  standard,
  text,
} from "./shapes.ts";
import {
  ALIAS_NAME,
  absolutePath,
  host,
  pageOrigin,
  portRange,
  procedureName,
  procedurePattern,
  socketPath,
  userName,
} from "./texts.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

/** What limits who may call what, for gateways and MQTT alike. */
export const GATES = {
  allow: standard(list(procedurePattern(), 0, CONFIGURATION.members), [
    "math.*",
    "text.*",
    "bytes.*",
    "net.*",
  ]),
  role: standard(choice(ROLES), "viewer", "viewer"),
};

const ANY = {
  ...GATES,
  aliases: mapKey(map(ALIAS_NAME, procedureName(), CONFIGURATION.members)),
  limits: section({
    connections: standard(integer(1, 65_536), 1024),
    connectionsPerAddress: standard(integer(1, 65_536), 256),
    requestBytes: sizeKey(64, 16 * CALLS.requestBytes, MiB),
    idle: durationKey(1_000, 86_400_000, 600_000),
  }),
};

const ADDRESS = {
  host: standard(host(), "127.0.0.1", "127.0.0.1"),
  port: required(integer(1, 65_535)),
};

const TLS = {
  tls: optional(
    group({ certificate: required(absolutePath()), key: required(absolutePath()) }),
    "without TLS",
  ),
};

const TOKENS = { tokens: standard(boolean(), false) };

const ORIGINS = { origins: standard(list(pageOrigin(), 0, CONFIGURATION.members), []) };

const REQUESTS = {
  call: optional(procedureName(), "a request names it"),
  arguments: standard(choice(["words", "text", "json"]), "words", "words"),
};

const CONNECTED_TEXT = {
  ...REQUESTS,
  framing: standard(choice(["chunk", "line", "block"]), "line", "line"),
  greeting: optional(text()),
  stop: optional(text()),
};

/** The keys of one gateway, by its kind. */
export const GATEWAY = {
  tcp: { ...ADDRESS, ...CONNECTED_TEXT, ...ANY },
  udp: { ...ADDRESS, ...REQUESTS, ...ANY },
  unix: { path: required(socketPath()), ...CONNECTED_TEXT, ...ANY },
  xmlrpc: { ...ADDRESS, ...ANY, ...TLS, ...TOKENS, ...ORIGINS },
  http: { ...ADDRESS, ...ANY, ...TLS, ...TOKENS, ...ORIGINS },
  ftp: {
    ...ADDRESS,
    user: optional(userName()),
    passwordFile: optional(absolutePath()),
    passivePorts: optional(portRange(), "any free port"),
    ...ANY,
    ...TLS,
  },
  rfc2217: { ...ADDRESS, device: required(text()), ...ANY },
  serial: { ...ADDRESS, device: required(text()), lease: durationKey(1_000, 86_400_000, 30_000), ...ANY },
};
