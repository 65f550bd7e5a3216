import { chmodSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What the fake udev says of a port. */
export interface FakePort {
  /** As `ttyUSB0`. */
  readonly name: string;
  /** The pseudo-terminal that it is. */
  readonly target: string;
  readonly vendorId: string;
  readonly productId: string;
  readonly serialNumber?: string;
}

/** A `udevadm` that lists what a test says, for programs that have its folder first on their path. */
export class FakeUdev {
  /** For the environment of an agent. */
  readonly env: { readonly PATH: string };
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder);
    const udevadm = join(folder, "udevadm");
    writeFileSync(udevadm, `#!/bin/sh\nexec cat '${this.#database}'\n`);
    chmodSync(udevadm, 0o755);
    this.env = { PATH: `${folder}:${process.env.PATH ?? ""}` };
    this.plug([]);
  }

  /** Has these ports and no others; gives their paths. */
  plug(ports: readonly FakePort[]): string[] {
    const entries = ports.map((port) => {
      const path = join(this.#folder, port.name);
      const facts = [
        `E: DEVNAME=${path}`,
        `E: ID_VENDOR_ID=${port.vendorId}`,
        `E: ID_MODEL_ID=${port.productId}`,
        port.serialNumber === undefined ? [] : `E: ID_SERIAL_SHORT=${port.serialNumber}`,
      ].flat();
      const link = `${path}.new`;
      symlinkSync(port.target, link);
      renameSync(link, path);
      return [`P: /devices/${port.name}`, `N: ${port.name}`, ...facts, ""].join("\n");
    });
    const next = `${this.#database}.new`;
    writeFileSync(next, entries.join("\n"));
    renameSync(next, this.#database);
    return ports.map(({ name }) => join(this.#folder, name));
  }

  get #database(): string {
    return join(this.#folder, "database");
  }
}
