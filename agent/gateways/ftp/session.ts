import type { Socket } from "node:net";
import { asTetherError, FTP, TetherError } from "../../../protocol/index.ts";
import { plainAddress } from "../../server/index.ts";
import type { Client, FtpDoor } from "./client.ts";
import { CommandReader, parseCommand, type Unit } from "./command-reader.ts";
import { commandOf, isKnownElsewhere } from "./commands.ts";
import type { DataChannel } from "./data-channel.ts";
import { FACTS, type Fact } from "./listing.ts";
import { codeOf, replyText } from "./reply.ts";
import { secure } from "./tls.ts";

/** One client, from the greeting on: reads its commands, and carries them out one after the other. */
export class Session implements Client {
  readonly door: FtpDoor;
  readonly address: string;
  readonly localAddress: string;
  user: string | undefined;
  login: string | undefined;
  wrongPasswords = 0;
  isSecure = false;
  hasBufferSize = false;
  protectsData = false;
  folder = "/";
  type: "A" | "I" = "A";
  restart = 0;
  renaming: string | undefined;
  facts: readonly Fact[] = FACTS;
  extendedPassiveOnly = false;
  channel: DataChannel | undefined;
  transfer: AbortController | undefined;
  /** Settles when the client has gone and nothing of its is under way any more. */
  readonly done: Promise<void>;
  #socket: Socket;
  #reader = new CommandReader();
  readonly #queue: Unit[] = [];
  #working: Promise<void> | undefined;
  /** True once no further command is taken. */
  #ending = false;
  #isDraining = false;
  #inputEnded = false;
  #gone = false;
  #isFirst = true;
  #timer: NodeJS.Timeout;
  #finish: () => void = () => undefined;
  /** Told of every drain and of the end. */
  #wake: () => void = () => undefined;

  constructor(socket: Socket, door: FtpDoor) {
    this.#socket = socket;
    this.door = door;
    this.address = plainAddress(socket.remoteAddress);
    this.localAddress = plainAddress(socket.localAddress);
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#timer = this.#alarm();
  }

  /** Greets the client and serves it; {@link done} tells of the end. */
  start(): void {
    this.#listen();
    this.reply(220, "Tether");
  }

  /** Ends the connection when the command under way is done, or now where there is none. */
  drain(): void {
    if (this.#working === undefined) this.end(421, "the server is closing");
    else this.#queue.length = 0;
    this.#isDraining = true;
    this.#ending = true;
  }

  /** Ends the connection, and a transfer, at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  reply(code: number, ...lines: readonly string[]): void {
    if (!this.#gone) this.#socket.write(replyText(code, ...lines));
  }

  async send(text: string): Promise<void> {
    if (!this.#gone && !this.#socket.write(text)) await this.#drained();
  }

  arrange(channel: DataChannel | undefined): void {
    this.channel?.close();
    this.channel = channel;
    if (!this.#gone) return;
    // It left while a port was being opened for it.
    channel?.close();
    this.channel = undefined;
  }

  takeChannel(): DataChannel | undefined {
    const { channel } = this;
    this.channel = undefined;
    return channel;
  }

  async whileTransferring<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const transfer = new AbortController();
    this.transfer = transfer;
    if (this.#gone || this.#inputEnded) transfer.abort(leftAlone());
    clearTimeout(this.#timer);
    try {
      return await work(transfer.signal);
    } finally {
      this.transfer = undefined;
      this.#rearm();
    }
  }

  async protect(code: number, line: string): Promise<void> {
    const context = this.door.secureContext();
    if (context === undefined) throw new TetherError("internal", "there is no certificate");
    const plain = this.#socket;
    // What was sent in the clear must not count as sent under the protection (as in CVE-2011-0411).
    const isSmuggling = this.#reader.pending > 0 || this.#queue.length > 0;
    plain.removeAllListeners();
    plain.on("error", () => undefined);
    plain.pause();
    this.#reader = new CommandReader();
    this.#queue.length = 0;
    if (isSmuggling) {
      this.#leave();
      plain.destroy();
      return;
    }
    plain.write(replyText(code, line));
    const gone = new AbortController();
    const onClose = () => gone.abort(leftAlone());
    plain.once("close", onClose);
    try {
      this.#socket = await secure(plain, context, gone.signal);
    } catch (thrown) {
      this.noteRefusal(asTetherError(thrown));
      this.#leave();
      return;
    } finally {
      plain.off("close", onClose);
    }
    this.isSecure = true;
    this.hasBufferSize = false;
    this.protectsData = false;
    this.#listen();
  }

  end(code: number, line: string): void {
    this.#ending = true;
    this.reply(code, line);
    this.#hangUp();
  }

  pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        if (!this.#gone) return;
        clearTimeout(timer);
        resolve();
      };
      this.#wake();
    });
  }

  noteRefusal({ message, code }: TetherError): void {
    this.door.refusals.note(
      "gateway-refused",
      `the ftp gateway refused: ${message}`,
      { kind: "ftp", address: this.address, code, ...(this.login !== undefined && { user: this.login }) },
      performance.now(),
    );
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on("data", (bytes: Buffer) => {
      this.#reader.push(bytes);
      this.#take();
    });
    socket.on("drain", () => this.#wake());
    socket.on("error", () => undefined);
    socket.on("end", () => this.#onEnd());
    socket.on("close", () => this.#leave());
    socket.resume();
  }

  /** The client sends no more: what it has sent is carried out, but nobody waits for a transfer any more. */
  #onEnd(): void {
    this.#inputEnded = true;
    this.transfer?.abort(leftAlone());
    if (this.#working === undefined) this.#hangUp();
  }

  #leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#ending = true;
    this.#queue.length = 0;
    clearTimeout(this.#timer);
    this.arrange(undefined);
    this.transfer?.abort(leftAlone());
    this.#wake();
    void (this.#working ?? Promise.resolve()).then(() => this.#finish());
  }

  /** Takes commands as far as there is room for them. */
  #take(): void {
    while (this.#queue.length < FTP.queuedCommands && !this.#ending) {
      const unit = this.#reader.next();
      if (unit === undefined) break;
      if (unit.kind === "telnet") this.#socket.write(unit.answer);
      else if (!this.#isNow(unit)) this.#queue.push(unit);
    }
    // Not before: of a client that is not read from nobody learns that it has gone.
    if (this.#reader.pending > FTP.readAhead) this.#socket.pause();
    else if (!this.#gone) this.#socket.resume();
    if (this.#queue.length > 0) this.#working ??= this.#work();
  }

  /** RFC 959 §4.1.3: ABOR and STAT are for the transfer under way. True where nothing is left to be done. */
  #isNow(unit: Unit): boolean {
    if (this.transfer === undefined || unit.kind !== "line") return false;
    const verb = unit.text.toUpperCase();
    if (verb === "ABOR") this.transfer.abort(new TetherError("cancelled", "the transfer was broken off"));
    if (verb !== "STAT" || this.#queue.length > 0) return false;
    void this.#carryOut(unit.text);
    return true;
  }

  async #work(): Promise<void> {
    for (let unit = this.#queue.shift(); unit !== undefined; unit = this.#queue.shift()) {
      this.#rearm();
      await this.#handle(unit);
      if (this.#gone) break;
      if (this.#socket.writableNeedDrain) await this.#drained();
      this.#take();
    }
    this.#working = undefined;
    if (this.#gone) return;
    if (this.#isDraining) this.end(421, "the server is closing");
    else if (this.#ending || this.#inputEnded) this.#hangUp();
    else this.#rearm();
  }

  /** Ends this side; the client gets a moment to end its own. */
  #hangUp(): void {
    const socket = this.#socket;
    if (socket.writableEnded) return;
    socket.end();
    setTimeout(() => socket.destroy(), FTP.farewell).unref();
  }

  async #handle(unit: Unit): Promise<void> {
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    if (unit.kind === "line") {
      // Any page in a browser of this machine can make it send one, with commands in the body.
      if (isFirst && / HTTP\/\d(\.\d)?$/.test(unit.text)) {
        this.noteRefusal(new TetherError("forbidden", "a request of HTTP"));
        this.#socket.destroy();
        this.#leave();
        return;
      }
      await this.#carryOut(unit.text);
    } else if (unit.kind === "malformed") {
      this.reply(501, unit.why);
    }
  }

  async #carryOut(text: string): Promise<void> {
    const line = parseCommand(text);
    const command = line === undefined ? undefined : commandOf(line.verb);
    if (line === undefined || command === undefined) {
      const isKnown = line !== undefined && isKnownElsewhere(line.verb);
      if (isKnown) this.reply(502, `${line.verb} is not implemented`);
      else this.reply(500, "there is no such command");
      return;
    }
    const { argument = "" } = line;
    const wants = command.argument;
    if (wants === "none" ? argument.trim() !== "" : wants === "required" && argument === "") {
      this.reply(501, `it is written ${command.syntax}`);
      return;
    }
    if (command.beforeLogin !== true && this.login === undefined) {
      this.reply(530, "log in first");
      return;
    }
    this.door.tally.begun();
    try {
      await command.run(this, argument);
    } catch (thrown) {
      const error = asTetherError(thrown);
      this.door.tally.failed(error.code);
      if (error.code === "internal") {
        this.door.log.error("gateway-failed", `the ftp gateway: ${error.message}`, { kind: "ftp" });
      }
      this.reply(codeOf(error, "file"), error.message);
    }
    if (command.keepsPrelude === true) return;
    this.restart = 0;
    this.renaming = undefined;
  }

  async #drained(): Promise<void> {
    while (!this.#gone && this.#socket.writableNeedDrain) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #rearm(): void {
    clearTimeout(this.#timer);
    if (!this.#gone && this.transfer === undefined) this.#timer = this.#alarm();
  }

  /** Ends a client that has been silent, or does not read its answers, for too long. */
  #alarm(): NodeJS.Timeout {
    const { idle } = this.door.configuration.limits;
    const timer = setTimeout(
      () => this.end(421, "nothing came for too long"),
      this.login === undefined ? Math.min(idle, FTP.login) : idle,
    );
    timer.unref();
    return timer;
  }
}

function leftAlone(): TetherError {
  return new TetherError("unreachable", "the control connection ended");
}
