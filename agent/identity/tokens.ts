import { createHash, randomBytes } from "node:crypto";
import {
  cleanName,
  GATEWAYS,
  isRole,
  type JsonObject,
  type Role,
  TetherError,
  uniqueName,
} from "../../protocol/index.ts";
import { parseEntryList } from "../../transfer/index.ts";
import type { StateFolder } from "./state-folder.ts";

const FILE = "tokens.json";
const LIST = {
  version: 1,
  name: "tokens",
  entry: "a token",
  isEntry: isKept,
  remedy: "; every token then has to be made again",
};
/** Bytes of chance in a token: too many to guess, so that a plain hash keeps it. */
const SECRET_BYTES = 32;

/** A bearer token that was given out, as far as the agent knows it. A type, so that it is a JsonObject. */
export type TokenFacts = { label: string; role: Role; createdAt: string };

interface Kept extends TokenFacts {
  /** SHA-256 of the token, in hexadecimal. */
  readonly hash: string;
}

/** The bearer tokens for gateways, in `tokens.json` in the state folder: their hashes, never themselves. */
export class Tokens {
  readonly #folder: StateFolder;
  readonly #byHash = new Map<string, Kept>();
  #lastWrite: Promise<unknown> = Promise.resolve();

  constructor(folder: StateFolder) {
    this.#folder = folder;
  }

  /**
   * Reads the file. To be called once, with the folder's lock held.
   *
   * @throws TetherError `invalid` for a file that is not what this class wrote; it is never replaced
   */
  start(): void {
    const text = this.#folder.read(FILE);
    if (text === undefined) return;
    for (const token of parseEntryList(text, this.#folder.pathOf(FILE), LIST).entries)
      this.#byHash.set(token.hash, token);
  }

  /** All of them, in the order in which they were made. */
  list(): TokenFacts[] {
    return [...this.#byHash.values()].map(({ label, role, createdAt }) => ({ label, role, createdAt }));
  }

  /** Who this token was given to; undefined for one that is none. */
  find(token: string): TokenFacts | undefined {
    // Looked up by its hash, so that no comparison tells how much of a guess was right.
    return this.#byHash.get(hashOf(token));
  }

  /**
   * Makes a token, which nobody can be shown again.
   *
   * @throws TetherError `limit` when there are too many, or what the disk says; none is made then
   */
  async add(
    wanted: { readonly label: string; readonly role: Role },
    now: Date = new Date(),
  ): Promise<JsonObject & TokenFacts & { token: string }> {
    const token = `tether_${randomBytes(SECRET_BYTES).toString("base64url")}`;
    const { role } = wanted;
    const added = { label: "", role, createdAt: now.toISOString(), hash: hashOf(token) };
    await this.#write((all) => {
      if (all.length >= GATEWAYS.tokens) {
        throw new TetherError("limit", `there are ${all.length} tokens, and no more fit`, {
          hint: "type: tetherd revoke --token LABEL",
        });
      }
      added.label = uniqueName(cleanName(wanted.label, "token"), (name) =>
        all.some(({ label }) => label === name),
      );
      return [...all, added];
    });
    this.#byHash.set(added.hash, added);
    const { label, createdAt } = added;
    return { label, role, createdAt, token };
  }

  /**
   * Makes a token worth nothing.
   *
   * @throws TetherError `not-found` that lists the known labels, or what the disk says; it is still good then
   */
  async revoke(label: string): Promise<TokenFacts> {
    let removed: Kept | undefined;
    await this.#write((all) => {
      removed = all.find((token) => token.label === label);
      return all.filter((token) => token !== removed);
    });
    if (removed === undefined) {
      const labels = this.list().map((token) => token.label);
      const known = labels.length === 0 ? "there is none" : `there are ${labels.join(", ")}`;
      throw new TetherError("not-found", `no token ${JSON.stringify(label)}: ${known}`);
    }
    this.#byHash.delete(removed.hash);
    const { role, createdAt } = removed;
    return { label, role, createdAt };
  }

  /** Writes what `change` makes of all tokens, one write after the other. */
  #write(change: (all: readonly Kept[]) => readonly Kept[]): Promise<void> {
    const write = this.#lastWrite.then(async () => {
      const tokens = change([...this.#byHash.values()]);
      await this.#folder.write(FILE, `${JSON.stringify({ version: LIST.version, tokens }, null, 2)}\n`);
    });
    this.#lastWrite = write.catch(() => undefined);
    return write;
  }
}

function hashOf(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

function isKept(value: unknown): value is Kept {
  if (typeof value !== "object" || value === null) return false;
  const { label, role, createdAt, hash } = value as { readonly [name in keyof Kept]?: unknown };
  return (
    typeof label === "string" &&
    isRole(role) &&
    typeof createdAt === "string" &&
    typeof hash === "string" &&
    /^[0-9a-f]{64}$/.test(hash)
  );
}
