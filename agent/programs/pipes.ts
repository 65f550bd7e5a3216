import { execFile } from "node:child_process";
import { closeSync, constants, openSync, promises } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

/** The two ends of each of a program's outputs. */
export interface OutputPipes {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The program's ends, by descriptor. */
  readonly theirs: readonly [stdout: number, stderr: number];
  /** Closes the program's ends here, once it has its own. */
  handOver(): void;
}

/**
 * Makes pipes for a program's output. Node's own are sockets, which `/dev/stdout` and `/dev/stderr` cannot open
 * (ENXIO, open(2)), and scripts use those; so these are named pipes in `folder` that lose their names at once.
 *
 * @throws what the system says
 */
export async function makeOutputPipes(folder: string): Promise<OutputPipes> {
  const place = await promises.mkdtemp(join(folder, "pipes-"));
  try {
    const paths = [join(place, "stdout"), join(place, "stderr")] as const;
    await makeNamedPipes(paths);
    return openPipes(paths);
  } finally {
    await promises.rm(place, { recursive: true, force: true });
  }
}

function openPipes([output, error]: readonly [string, string]): OutputPipes {
  // The program's ends are to block, and open at once only where there is a reader (fifo(7)).
  const stdout = openSync(output, O_RDONLY | O_NONBLOCK);
  const stderr = openSync(error, O_RDONLY | O_NONBLOCK);
  const theirs = [openSync(output, O_WRONLY), openSync(error, O_WRONLY)] as const;
  return {
    stdout: new Socket({ fd: stdout, readable: true, writable: false }),
    stderr: new Socket({ fd: stderr, readable: true, writable: false }),
    theirs,
    handOver() {
      for (const descriptor of theirs) closeSync(descriptor);
    },
  };
}

function makeNamedPipes(paths: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile("mkfifo", ["-m", "600", ...paths], (error) => (error ? reject(error) : resolve()));
  });
}
