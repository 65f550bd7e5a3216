import { asTetherError, TetherError } from "../../../protocol/index.ts";
import type { Client } from "./client.ts";
import type { Commands } from "./command.ts";
import { ActiveChannel, PassiveChannel } from "./data-channel.ts";
import {
  type DataPort,
  extendedPassiveText,
  parseExtendedPort,
  parsePort,
  passiveText,
} from "./data-port.ts";
import { FACTS } from "./listing.ts";

/** How data goes (RFC 959 §4.1.2, RFC 2428, RFC 3659 §5), and what else can be set. */
export const SETTING_COMMANDS: Commands = {
  TYPE: {
    syntax: "TYPE <SP> A or I",
    argument: "required",
    keepsPrelude: true,
    run(client, argument) {
      const type = argument.toUpperCase();
      if (type === "A" || type === "A N") client.type = "A";
      else if (type === "I" || type === "L 8") client.type = "I";
      else if (/^([AE]( [NTC])?|L \d{1,3})$/.test(type)) return client.reply(504, "the types are A and I");
      else return client.reply(501, "no such type");
      client.reply(200, client.type === "A" ? "text, with the network's line ends" : "bytes as they are");
    },
  },
  MODE: {
    syntax: "MODE <SP> S",
    argument: "required",
    keepsPrelude: true,
    run: (client, mode) => choose(client, mode, "S", /^[BC]$/i, "the only mode is S"),
  },
  STRU: {
    syntax: "STRU <SP> F",
    argument: "required",
    keepsPrelude: true,
    run: (client, structure) => choose(client, structure, "F", /^[RP]$/i, "the only structure is F"),
  },
  PORT: {
    syntax: "PORT <SP> h1,h2,h3,h4,p1,p2",
    argument: "required",
    keepsPrelude: true,
    run(client, argument) {
      const port = parsePort(argument);
      if (port === undefined) client.reply(501, "PORT takes six numbers up to 255");
      else connectTo(client, port);
    },
  },
  EPRT: {
    syntax: "EPRT <SP> |protocol|address|port|",
    argument: "required",
    keepsPrelude: true,
    run(client, argument) {
      const port = parseExtendedPort(argument);
      if (port === undefined) client.reply(501, "EPRT takes |protocol|address|port|");
      else if (port === "protocol") client.reply(522, "the network protocols are (1,2)");
      else connectTo(client, port);
    },
  },
  PASV: {
    syntax: "PASV",
    argument: "none",
    keepsPrelude: true,
    async run(client) {
      if (client.extendedPassiveOnly) return client.reply(503, "after EPSV ALL only EPSV");
      // RFC 2428 §1: its answer has room for an IPv4 address only.
      if (client.localAddress.includes(":")) return client.reply(502, "over IPv6 use EPSV");
      const channel = await waitFor(client);
      if (channel !== undefined) client.reply(227, passiveText(client.localAddress, channel.port));
    },
  },
  EPSV: {
    syntax: "EPSV [<SP> protocol or ALL]",
    argument: "optional",
    keepsPrelude: true,
    async run(client, argument) {
      if (/^ALL$/i.test(argument)) {
        client.extendedPassiveOnly = true;
        return client.reply(200, "only EPSV from here on");
      }
      const own = client.localAddress.includes(":") ? "2" : "1";
      if (!/^\d{0,5}$/.test(argument)) return client.reply(501, "EPSV takes a network protocol or ALL");
      if (argument !== "" && argument !== own) return client.reply(522, `the network protocol is (${own})`);
      const channel = await waitFor(client);
      if (channel !== undefined) client.reply(229, extendedPassiveText(channel.port));
    },
  },
  REST: {
    syntax: "REST <SP> byte",
    argument: "required",
    keepsPrelude: true,
    run(client, argument) {
      const offset = Number(argument);
      if (!/^\d{1,16}$/.test(argument) || !Number.isSafeInteger(offset)) {
        return client.reply(501, "REST takes a number of bytes");
      }
      client.restart = offset;
      client.reply(350, `the next transfer begins after ${offset} bytes`);
    },
  },
  ALLO: {
    syntax: "ALLO <SP> bytes",
    argument: "required",
    keepsPrelude: true,
    run(client, argument) {
      if (!/^\d{1,16}( R \d{1,16})?$/i.test(argument))
        return client.reply(501, "ALLO takes a number of bytes");
      client.reply(202, "room is held while a file grows");
    },
  },
  OPTS: {
    syntax: "OPTS <SP> MLST [<SP> facts] or UTF8 ON",
    argument: "required",
    beforeLogin: true,
    run(client, argument) {
      const [name = "", value = ""] = splitOnce(argument);
      if (/^UTF-?8$/i.test(name)) {
        return /^(ON)?$/i.test(value)
          ? client.reply(200, "names are UTF-8 always")
          : client.reply(504, "names are UTF-8 always");
      }
      if (!/^MLST$/i.test(name)) return client.reply(501, "the options are those of MLST and UTF8");
      const wanted = value.toLowerCase().split(";");
      client.facts = FACTS.filter((fact) => wanted.includes(fact.toLowerCase()));
      // RFC 3659 §7.9.
      client.reply(200, `MLST OPTS ${client.facts.map((fact) => `${fact};`).join("")}`.trimEnd());
    },
  },
};

function choose(client: Client, value: string, only: string, known: RegExp, words: string): void {
  if (value.toUpperCase() === only) client.reply(200, "as always");
  else if (known.test(value)) client.reply(504, words);
  else client.reply(501, words);
}

function connectTo(client: Client, port: DataPort): void {
  if (client.extendedPassiveOnly) {
    client.reply(503, "after EPSV ALL only EPSV");
    return;
  }
  // RFC 2577 §3: nobody is to make this server connect to others, or to a service of the client's machine.
  if (!isSameAddress(port.address, client.address) || port.port < 1024) {
    client.noteRefusal(
      new TetherError(
        "forbidden",
        `data was wanted at ${port.address} port ${port.port}, not the client's own`,
      ),
    );
    client.reply(504, "only your own address, and a port from 1024 on");
    return;
  }
  client.arrange(new ActiveChannel({ ...port, address: client.address }, client.localAddress));
  client.reply(200, "data goes there");
}

async function waitFor(client: Client): Promise<PassiveChannel | undefined> {
  client.arrange(undefined);
  const { passivePorts } = client.door.configuration;
  try {
    const channel = await PassiveChannel.listen(client.localAddress, client.address, passivePorts);
    client.arrange(channel);
    return channel;
  } catch (thrown) {
    client.reply(425, asTetherError(thrown).message);
    return undefined;
  }
}

/** True for two ways to write one address; a zone, which EPRT does not carry, does not count. */
function isSameAddress(told: string, own: string): boolean {
  return normal(told) === normal(own.replace(/%.*$/, ""));
}

function normal(address: string): string {
  return address.includes(":") && URL.canParse(`http://[${address}]`)
    ? new URL(`http://[${address}]`).hostname
    : address;
}

function splitOnce(text: string): string[] {
  const space = text.indexOf(" ");
  return space === -1 ? [text] : [text.slice(0, space), text.slice(space + 1).trim()];
}
