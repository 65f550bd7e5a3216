import { VERSION } from "../../../protocol/index.ts";
import type { Commands } from "./command.ts";
import { FACTS } from "./listing.ts";

/** What the server says of itself (RFC 959 §4.1.3, RFC 2389). */
export const TELLING_COMMANDS: Commands = {
  // The first word is one of a list of systems (RFC 943); what counts is that paths and LIST are as in Unix.
  SYST: {
    syntax: "SYST",
    argument: "none",
    run: (client) => client.reply(215, `UNIX Type: L8, Tether ${VERSION}`),
  },
  FEAT: {
    syntax: "FEAT",
    argument: "none",
    beforeLogin: true,
    run(client) {
      const secured = client.door.secureContext() === undefined ? [] : ["AUTH TLS", "PBSZ", "PROT"];
      // RFC 3659 §7.8: the facts in force have a star.
      const facts = FACTS.map((fact) => `${fact}${client.facts.includes(fact) ? "*" : ""};`).join("");
      const features = [
        ...secured,
        "EPRT",
        "EPSV",
        "MDTM",
        `MLST ${facts}`,
        "REST STREAM",
        "SIZE",
        "TVFS",
        "UTF8",
      ];
      client.reply(211, "features", ...features, "end");
    },
  },
  NOOP: {
    syntax: "NOOP",
    argument: "none",
    beforeLogin: true,
    keepsPrelude: true,
    run: (client) => client.reply(200, "still here"),
  },
  SITE: {
    syntax: "SITE <SP> HELP",
    argument: "required",
    run: (client, argument) =>
      /^HELP$/i.test(argument)
        ? client.reply(214, "SITE has HELP only")
        : client.reply(504, "SITE has HELP only"),
  },
};
