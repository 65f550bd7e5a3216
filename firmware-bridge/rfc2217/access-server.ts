import { setTimeout as delay } from "node:timers/promises";
import { asTetherError, TetherError } from "../../protocol/errors.ts";
import { COM_PORT } from "../../protocol/limits.ts";
import {
  COMMAND,
  encodeCommand,
  LINE_STATE,
  modemState,
  readFlowControl,
  readLine,
  readSetting,
  type SettingRequest,
} from "./com-port.ts";
import { OPTION, TelnetOptions } from "./options.ts";
import type { ComPortInputs, ComPortOutputs, ComPortSettings, PortControl } from "./port-control.ts";
import { encodeData, encodeNegotiation, TELNET, TelnetDecoder, type TelnetUnit } from "./telnet.ts";

/** What an access server needs around it. */
export interface AccessServerOptions {
  readonly port: PortControl;
  /** What the server says that it is. */
  readonly signature: string;
  /** Sends bytes to the client, who owns them then; false when it would rather wait for {@link AccessServer.drained}. */
  readonly send: (bytes: Buffer) => boolean;
  /** True when less should be read from the client, false when more may be again. */
  readonly onBacklog: (isFull: boolean) => void;
  /** The port has failed, or the client has gone beyond a bound: nothing more is served. */
  readonly onFailed: (error: TetherError) => void;
  /** What came from the client and means nothing. */
  readonly onNoise?: (what: string) => void;
}

/** Something to be done with the port, in its turn. */
type Task =
  | { readonly kind: "data"; readonly bytes: Buffer }
  | { readonly kind: "setting"; readonly request: SettingRequest }
  | { readonly kind: "command"; readonly run: () => Promise<void> | void };

/** What a port without lines is taken to have: a cable whose other end is there. */
const ALL_ON: ComPortInputs = { cts: true, dsr: true, dcd: true };

/**
 * The access server's side of one RFC 2217 connection, from Telnet's bytes to a port and back. A client that does
 * not begin as one of Telnet gets the port's bytes as they are.
 *
 * Data and commands take effect in the order in which they came; each command is answered, once it has been
 * carried out, with the value in force. What the port brings is only taken from it while the client takes it.
 */
export class AccessServer {
  readonly #options: AccessServerOptions;
  readonly #port: PortControl;
  readonly #decoder = new TelnetDecoder();
  readonly #telnet = new TelnetOptions();
  #tasks: Task[] = [];
  #waitingBytes = 0;
  /** Bytes that the port was given and has not taken. */
  #writing = 0;
  /** A command is under way. */
  #isBusy = false;
  #isFull = false;
  #isOver = false;
  /** What the client is taken to speak: nothing is known before it has said something, or has been greeted. */
  #speaks: "nothing" | "telnet" | "plain" = "nothing";
  #hasHeard = false;
  /** The client does not take bytes fast enough. */
  #isClogged = false;
  /** The client has asked for silence (RFC 2217 §5), and what it is to get afterwards. */
  #isSuspended = false;
  readonly #held: Buffer[] = [];
  #heldBytes = 0;
  /** As the kernel has them when a port is opened, until the client says otherwise. */
  #lines = { dtr: true, rts: true, break: false };
  #inputs: ComPortInputs | undefined;
  #lineStateMask = 0;
  #modemStateMask = 255;
  #hasOverrun = false;

  constructor(options: AccessServerOptions) {
    this.#options = options;
    this.#port = options.port;
  }

  /** Says which options it wants, unless it has; a client that speaks first has it said then. */
  start(): void {
    if (this.#speaks !== "nothing") return;
    this.#speaks = "telnet";
    const first = this.#telnet.begin().map(({ verb, option }) => encodeNegotiation(verb, option));
    this.#answer(Buffer.concat(first));
  }

  /** Serves nothing more. */
  stop(): void {
    this.#isOver = true;
    this.#tasks = [];
  }

  /** Takes bytes from the client, which must stay as they are. */
  receive(bytes: Buffer): void {
    if (this.#isOver || bytes.length === 0) return;
    if (!this.#hasHeard) this.#hear(bytes);
    if (this.#speaks === "plain") this.#take({ kind: "data", bytes });
    else for (const unit of this.#decoder.push(bytes)) this.#take(unit);
    this.#work();
  }

  /**
   * A Telnet client's first word is one of Telnet's, for it offers options or answers to them; avrdude and netcat
   * have none, and would take a doubled 0xFF for two.
   */
  #hear(bytes: Buffer): void {
    this.#hasHeard = true;
    if (bytes.includes(TELNET.IAC)) this.start();
    else this.#speaks = "plain";
    this.flush();
  }

  /** The port has bytes, or the client takes bytes again: gives the one to the other. */
  flush(): void {
    while (!this.#isOver && !this.#isClogged && !this.#isSuspended && this.#speaks !== "nothing") {
      const bytes = this.#port.take(COM_PORT.piece);
      if (bytes === undefined) {
        this.#hasOverrun = false;
        return;
      }
      this.#send(this.#speaks === "plain" ? bytes : encodeData(bytes, this.#telnet.isBinaryHere));
    }
  }

  /** The client takes bytes again. */
  drained(): void {
    this.#isClogged = false;
    this.flush();
  }

  /** The port has thrown bytes away that the client has not taken in time: told once, until it has caught up. */
  overrun(): void {
    if (this.#hasOverrun) return;
    this.#hasOverrun = true;
    const value = LINE_STATE.overrun & this.#lineStateMask;
    if (value !== 0) this.#answer(encodeCommand(COMMAND.notifyLineState, Buffer.of(value)));
  }

  /** Says something that means nothing: whoever is gone answers with an error, which a connection that is not read from does not show otherwise. */
  probe(): void {
    if (this.#speaks === "telnet") this.#answer(Buffer.of(TELNET.IAC, TELNET.NOP));
  }

  /** Looks whether the port's input lines have changed, where the client wants to know (RFC 2217 §4). */
  async lookAtLines(): Promise<void> {
    if (this.#isOver || this.#modemStateMask === 0 || !this.#telnet.isOnThere(OPTION.comPort)) return;
    const before = this.#inputs;
    const lines = (await this.#port.inputLines()) ?? ALL_ON;
    if (this.#isOver || this.#inputs !== before) return;
    if (
      before !== undefined &&
      before.cts === lines.cts &&
      before.dsr === lines.dsr &&
      before.dcd === lines.dcd
    )
      return;
    this.#inputs = lines;
    this.#notifyModemState(modemState(lines, before));
  }

  #take(unit: TelnetUnit): void {
    switch (unit.kind) {
      case "data":
        this.#waitingBytes += unit.bytes.length;
        this.#tasks.push(unit);
        break;
      case "negotiation":
        this.#negotiate(unit);
        break;
      case "subnegotiation":
        if (unit.option === OPTION.comPort) this.#command(unit.bytes);
        else this.#noise(`a subnegotiation of option ${unit.option}`);
        break;
      case "command":
        if (unit.code === TELNET.BREAK)
          this.#tasks.push({ kind: "command", run: () => this.#breakShortly() });
        else if (unit.code === TELNET.AYT) this.#answer(Buffer.of(TELNET.IAC, TELNET.NOP));
        else if (unit.code !== TELNET.NOP) this.#noise(`Telnet's command ${unit.code}`);
        break;
      case "noise":
        this.#noise(unit.why);
    }
  }

  #negotiate(unit: TelnetUnit & { readonly kind: "negotiation" }): void {
    const wasThere = this.#telnet.isOnThere(OPTION.comPort);
    const answer = this.#telnet.receive(unit);
    if (answer !== undefined) this.#answer(encodeNegotiation(answer.verb, answer.option));
    if (!wasThere && this.#telnet.isOnThere(OPTION.comPort)) this.#beginToNotify();
  }

  /** A program that has opened the port asks for its lines at once, and has to have heard of them. */
  #beginToNotify(): void {
    this.#tasks.push({ kind: "command", run: () => this.lookAtLines() });
  }

  #command(bytes: Buffer): void {
    // pyserial says nothing more where it was asked before it had come to offer the option.
    if (this.#telnet.agree(OPTION.comPort)) this.#beginToNotify();
    const [command] = bytes;
    if (command === undefined) {
      this.#noise("a command without a number");
      return;
    }
    const parameters = bytes.subarray(1);
    const request = readSetting(command, parameters);
    if (request !== undefined) {
      this.#tasks.push({ kind: "setting", request });
      return;
    }
    switch (command) {
      case COMMAND.signature:
        if (parameters.length === 0) this.#queueAnswer(command, () => Buffer.from(this.#options.signature));
        return;
      case COMMAND.notifyLineState:
        this.#queueAnswer(command, () => Buffer.of(this.#lineState()));
        return;
      case COMMAND.notifyModemState:
        this.#queueAnswer(command, () => Buffer.of(modemState(this.#inputs ?? ALL_ON, undefined)));
        return;
      case COMMAND.suspend:
        this.#isSuspended = true;
        return;
      case COMMAND.resume:
        this.#resume();
        return;
      default:
        this.#valueCommand(command, parameters[0]);
    }
  }

  /** Commands of one octet that are no settings (RFC 2217 §3). */
  #valueCommand(command: number, value: number | undefined): void {
    if (value === undefined) {
      this.#noise(`the command ${command} without a value`);
      return;
    }
    switch (command) {
      case COMMAND.setControl:
        this.#control(value);
        return;
      case COMMAND.setLineStateMask:
        this.#queueAnswer(command, () => {
          this.#lineStateMask = value;
          return Buffer.of(value);
        });
        return;
      case COMMAND.setModemStateMask:
        this.#queueAnswer(command, () => {
          this.#modemStateMask = value;
          return Buffer.of(value);
        });
        return;
      case COMMAND.purgeData:
        this.#purge(value);
        return;
      default:
        this.#noise(`the command ${command}`);
    }
  }

  #control(value: number): void {
    const flow = readFlowControl(value);
    if (flow !== undefined) {
      this.#tasks.push({ kind: "setting", request: flow });
      return;
    }
    const line = readLine(value);
    if (line === undefined) {
      this.#noise(`SET-CONTROL ${value}`);
      return;
    }
    const { change, answer } = line;
    this.#tasks.push({
      kind: "command",
      run: async () => {
        if (change !== undefined) await this.#setLines(change);
        this.#answer(answer(this.#lines));
      },
    });
  }

  #purge(value: number): void {
    const received = (value & 1) !== 0;
    const unsent = (value & 2) !== 0;
    if (value === 0 || value > 3) {
      this.#noise(`PURGE-DATA ${value}`);
      return;
    }
    // Immediately (RFC 2217 §3): neither is the data before it sent first, nor does a port that is stuck hold it up.
    if (unsent) {
      this.#tasks = this.#tasks.filter(({ kind }) => kind !== "data");
      this.#waitingBytes = 0;
    }
    const purged = this.#port.purge({ received, unsent });
    purged.catch((thrown: unknown) => this.#fail(asTetherError(thrown)));
    const run = async () => {
      await purged;
      this.#answer(encodeCommand(COMMAND.purgeData, Buffer.of(value)));
    };
    this.#tasks.push({ kind: "command", run });
  }

  /** Does what is next, until the port has enough or a command is under way. */
  #work(): void {
    while (!this.#isBusy && !this.#isOver) {
      const [task] = this.#tasks;
      if (task === undefined) break;
      if (task.kind === "data") {
        if (this.#writing >= COM_PORT.writeAhead) break;
        this.#tasks.shift();
        this.#write(task.bytes);
      } else {
        if (this.#writing > 0) break;
        this.#isBusy = true;
        this.#run(() => (task.kind === "setting" ? this.#configure() : this.#runNext(task)));
      }
    }
    this.#watchBacklog();
  }

  #write(bytes: Buffer): void {
    this.#waitingBytes -= bytes.length;
    // One piece of what a client may send at once must not be more than the port bears.
    const now = bytes.subarray(0, COM_PORT.writeAhead);
    if (now.length < bytes.length) {
      this.#tasks.unshift({ kind: "data", bytes: bytes.subarray(now.length) });
      this.#waitingBytes += bytes.length - now.length;
    }
    this.#writing += now.length;
    this.#port.write(now).then(
      () => {
        this.#writing -= now.length;
        if (this.#tasks.length > 0) this.#work();
      },
      (thrown: unknown) => this.#fail(asTetherError(thrown)),
    );
  }

  async #runNext(task: Task & { readonly kind: "command" }): Promise<void> {
    this.#tasks.shift();
    await task.run();
    this.#isBusy = false;
    this.#work();
  }

  /** Carries out the settings that stand in a row as one change: setting a port one by one may reopen it each time. */
  async #configure(): Promise<void> {
    const requests: SettingRequest[] = [];
    let change: Partial<ComPortSettings> = {};
    for (;;) {
      const [task] = this.#tasks;
      if (task?.kind !== "setting") break;
      const keys = Object.keys(task.request.change ?? {});
      if (keys.some((key) => Object.hasOwn(change, key))) break;
      this.#tasks.shift();
      requests.push(task.request);
      change = { ...change, ...task.request.change };
    }
    if (this.#differs(change)) {
      if (!(await this.#tryToConfigure(change)) && requests.length > 1) {
        for (const request of requests) await this.#tryToConfigure(request.change ?? {});
      }
    }
    for (const request of requests) this.#answer(request.answer(this.#port.settings));
    this.#isBusy = false;
    this.#work();
  }

  #differs(change: Partial<ComPortSettings>): boolean {
    const { settings } = this.#port;
    return Object.entries(change).some(([key, value]) => settings[key as keyof ComPortSettings] !== value);
  }

  /** False where the port cannot do it, which the answer says by the value in force. */
  async #tryToConfigure(change: Partial<ComPortSettings>): Promise<boolean> {
    try {
      await this.#port.configure(change);
      return true;
    } catch (thrown) {
      if (asTetherError(thrown).code === "invalid") return false;
      throw thrown;
    }
  }

  /** A port without lines is taken to have them: programs set them without looking. */
  async #setLines(lines: ComPortOutputs): Promise<void> {
    await this.#port.setLines(lines);
    this.#lines = { ...this.#lines, ...lines };
  }

  async #breakShortly(): Promise<void> {
    await this.#setLines({ break: true });
    await delay(COM_PORT.breakTime);
    await this.#setLines({ break: false });
  }

  #queueAnswer(command: number, parameters: () => Buffer): void {
    this.#tasks.push({
      kind: "command",
      run: () => this.#answer(encodeCommand(command, parameters())),
    });
  }

  /** RFC 2217 §5: the client may send again, or should not, and is not made to. */
  #watchBacklog(): void {
    const isMuch =
      this.#waitingBytes >= COM_PORT.waitingBytes || this.#tasks.length >= COM_PORT.waitingCommands;
    const isLittle =
      this.#waitingBytes < COM_PORT.resumeBelow && this.#tasks.length < COM_PORT.waitingCommands / 2;
    if (this.#isOver || (this.#isFull ? !isLittle : !isMuch)) return;
    this.#isFull = isMuch;
    const command = isMuch ? COMMAND.suspend : COMMAND.resume;
    if (this.#telnet.isOnThere(OPTION.comPort)) this.#answer(encodeCommand(command, Buffer.alloc(0)));
    this.#options.onBacklog(isMuch);
  }

  #lineState(): number {
    const isIdle = this.#writing === 0 && this.#waitingBytes === 0;
    return (isIdle ? LINE_STATE.transmitterEmpty : 0) | (this.#hasOverrun ? LINE_STATE.overrun : 0);
  }

  #notifyModemState(state: number): void {
    const value = state & this.#modemStateMask;
    if (value !== 0) this.#answer(encodeCommand(COMMAND.notifyModemState, Buffer.of(value)));
  }

  #resume(): void {
    this.#isSuspended = false;
    const held = this.#held.splice(0);
    this.#heldBytes = 0;
    for (const bytes of held) this.#answer(bytes);
    this.flush();
  }

  /** Sends what is no data: it does not wait for data that the client does not take. */
  #answer(bytes: Buffer): void {
    if (this.#isOver) return;
    if (!this.#isSuspended) {
      this.#send(bytes);
      return;
    }
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes <= COM_PORT.heldAnswers) return;
    this.#fail(new TetherError("limit", "the client goes on asking after it asked for silence"));
  }

  #send(bytes: Buffer): void {
    if (!this.#options.send(bytes)) this.#isClogged = true;
  }

  #run(work: () => Promise<void>): void {
    work().catch((thrown: unknown) => this.#fail(asTetherError(thrown)));
  }

  #noise(what: string): void {
    this.#options.onNoise?.(what);
  }

  #fail(error: TetherError): void {
    if (this.#isOver) return;
    this.stop();
    this.#options.onFailed(error);
  }
}
