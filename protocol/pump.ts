import type { Duplex } from "node:stream";
import { asTetherError, TetherError } from "./errors.ts";
import { WIRE } from "./limits.ts";
import { Session, type SessionEvents, type SessionOptions } from "./session.ts";

/** Bytes handed to the connection ahead of what it has sent: what an urgent frame may have to wait behind. */
const WRITE_AHEAD = 512 * 1024;

/** A session's options but for the event that the pump itself answers. */
export interface PumpOptions extends Omit<SessionOptions, "events"> {
  readonly events: Omit<SessionEvents, "onOutput">;
}

/**
 * Runs a session over a connected byte stream, whatever it is made of: bytes in, frames out, and the one place
 * that writes. What becomes ready in one tick is written at once. When the session ends the stream is ended;
 * destroying one that does not end is left to its owner.
 *
 * `clock` gives milliseconds of a steady clock.
 */
export function pumpSession(connection: Duplex, options: PumpOptions, clock: () => number): Session {
  let receiving = false;
  let scheduled = false;

  const flush = () => {
    scheduled = false;
    while (session.hasOutput && connection.writableLength < WRITE_AHEAD) {
      const buffers = session.takeOutput(WRITE_AHEAD - connection.writableLength);
      if (buffers.length === 0) break;
      if (buffers.length > 1) connection.cork();
      for (const buffer of buffers) {
        const release = session.takeWritten(buffer);
        connection.write(buffer, release === undefined ? written : () => releaseAnd(release));
      }
      if (buffers.length > 1) connection.uncork();
    }
    const behind = session.queuedBytes + connection.writableLength;
    if (behind > WIRE.queuedOutput && !connection.isPaused()) connection.pause();
  };

  const written = () => {
    if (connection.isPaused()) {
      // Whoever takes bytes is alive, though what he says is not read now.
      session.excuseSilence(clock());
      if (session.queuedBytes + connection.writableLength <= WIRE.queuedOutput / 2) connection.resume();
    }
    if (session.hasOutput && !receiving) flush();
  };

  const releaseAnd = (release: () => void) => {
    release();
    written();
  };

  const session = new Session(
    {
      ...options,
      events: {
        ...options.events,
        onOutput() {
          if (scheduled || receiving) return;
          scheduled = true;
          process.nextTick(flush);
        },
        onClosed(reason) {
          for (const buffer of session.takeOutput(Number.POSITIVE_INFINITY)) connection.write(buffer);
          connection.end();
          options.events.onClosed(reason);
        },
      },
    },
    clock(),
  );

  connection.on("data", (chunk: Buffer) => {
    receiving = true;
    session.receive(chunk, clock());
    receiving = false;
    if (session.hasOutput && !session.isClosed) flush();
  });
  connection.on("error", (error) => session.abandon(asTetherError(error)));
  connection.on("close", () => session.abandon(new TetherError("unreachable", "the connection broke")));
  connection.on("end", () => session.abandon(new TetherError("unreachable", "the other side hung up")));
  return session;
}
