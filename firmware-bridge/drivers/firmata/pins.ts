import { asTetherError, TetherError } from "../../../protocol/errors.ts";
import type { DeviceValue } from "../../value.ts";
import type { ReadingSink } from "../driver.ts";
import type { FirmataMessage } from "./messages.ts";
import { isInput, NamedPin } from "./named-pins.ts";
import { fulfil, fulfils, type PinState, pinState, readAnalog, readDigital } from "./pin-io.ts";
import { type PinChoice, portOf } from "./pin-table.ts";
import { configureI2c, reportAnalog, reportDigital, setSamplingInterval } from "./requests.ts";
import type { FirmataSettings, PinMode } from "./settings.ts";
import type { BoardFacts, StartedBoard } from "./started-board.ts";
import type { PinWish, Wishes } from "./wishes.ts";

const NEVER = new AbortController().signal;

/**
 * The pins of a device: those that the configuration names, and what every pin is wanted to be. It outlives links
 * and boards; each board that starts is made what is wanted.
 */
export class Pins {
  readonly named: readonly NamedPin[];
  readonly #device: string;
  readonly #settings: FirmataSettings;
  readonly #sink: ReadingSink;
  #wishes: Wishes;

  constructor(device: string, settings: FirmataSettings, sink: ReadingSink) {
    this.#device = device;
    this.#settings = settings;
    this.#sink = sink;
    this.named = Object.entries(settings.pins).map(([name, profile]) => new NamedPin(name, profile));
    this.#wishes = this.#configured();
  }

  /** Milliseconds between two samples. */
  get samplingInterval(): number {
    return this.#wishes.samplingInterval;
  }

  /** What a message of the board means for the readings. */
  heard(message: FirmataMessage, { pins }: BoardFacts): void {
    if (message.kind !== "analog" && message.kind !== "digital") return;
    for (const named of this.named) {
      const pin = this.#pinOf(named, pins);
      if (pin === undefined || !named.isInput) continue;
      if (message.kind === "analog") {
        if (named.profile.mode !== "analog" || pins.channel(pin) !== message.channel) continue;
        this.#sink.value(named.name, named.fromBoard(message.value));
      } else {
        const { port, bit } = portOf(pin);
        if (!named.isDigital || port !== message.port) continue;
        this.#sink.value(named.name, named.fromBoard(message.value & bit));
      }
    }
  }

  /** Makes a board that has just started what is wanted. Throws as {@link StartedBoard.ask}. */
  async restore(board: StartedBoard): Promise<void> {
    await board.tell(setSamplingInterval(this.#wishes.samplingInterval), "the sampling interval", NEVER);
    if (this.#wishes.i2cDelay !== undefined && board.facts.pins.first("i2c") !== undefined) {
      await board.tell(configureI2c(this.#wishes.i2cDelay), "I2C", NEVER);
    }
    const { pins } = board.facts;
    for (const named of this.named) this.#claim(named, board);
    for (const [pin, wish] of this.#wishes.pins) {
      if (pin < pins.count && pins.can(pin, wish.mode)) await this.#restorePin(board, pin, wish);
    }
    for (const named of this.named) await this.#report(board, named);
  }

  /** Forgets what calls have wanted: what the configuration says counts again. */
  forget(): void {
    this.#wishes = this.#configured();
  }

  /** The name that the configuration gives to a pin of this board. */
  nameOf(board: StartedBoard, pin: number): string | undefined {
    return this.named.find((each) => this.#pinOf(each, board.facts.pins) === pin)?.name;
  }

  /** The named pin. Throws TetherError `invalid` for a name that there is not. */
  find(name: unknown, among: readonly NamedPin[] = this.named): NamedPin {
    const found = among.find((each) => each.name === name);
    if (found) return found;
    const allowed = among.map((each) => each.name).join(" ") || "none";
    throw new TetherError(
      "invalid",
      `${this.#device} has no pin named ${JSON.stringify(name)}; allowed: ${allowed}`,
    );
  }

  /** What the caller calls a pin, as the board's tables know it: a name is the pin that it stands for. */
  choice(choice: PinChoice): PinChoice {
    return this.named.find(({ name }) => name === choice)?.profile.pin ?? choice;
  }

  /** Sets a pin's mode. Throws TetherError `invalid` where it cannot be, or is something else by the configuration. */
  async setMode(board: StartedBoard, choice: PinChoice, mode: PinMode, signal: AbortSignal): Promise<void> {
    const { pins } = board.facts;
    const pin = pins.able(this.choice(choice), mode);
    const named = this.named.find((each) => this.#pinOf(each, pins) === pin);
    if (named !== undefined && named.profile.mode !== mode) {
      const allowed = `${named.profile.mode}, as it is configured`;
      throw new TetherError("invalid", `pin ${choice} is ${named.name}; allowed: ${allowed}`);
    }
    await this.#become(board, pin, { mode }, signal);
  }

  /** Sets an output. Throws as {@link setMode}, and `invalid` when a call has made it something else. */
  async write(
    board: StartedBoard,
    choice: PinChoice,
    mode: PinMode,
    value: number,
    signal: AbortSignal,
  ): Promise<void> {
    const pin = board.facts.pins.able(this.choice(choice), mode);
    const before = this.#wishIn(pin, choice, [mode]);
    const wish = { ...before, mode, value };
    await fulfil(board, pin, wish, before !== undefined, signal);
    this.#wishes.pins.set(pin, wish);
  }

  /** Reads an input, or what an output was set to. Throws as {@link write}. */
  async readDigital(board: StartedBoard, choice: PinChoice, signal: AbortSignal): Promise<boolean> {
    const { pins } = board.facts;
    const pin = pins.number(this.choice(choice));
    const wish = this.#wishIn(pin, choice, ["input", "pullup", "output"]);
    if (wish?.mode === "output") return (await pinState(board, pin, signal)).state !== 0;
    if (wish === undefined) await this.#become(board, pins.able(pin, "input"), { mode: "input" }, signal);
    const { port } = portOf(pin);
    return await readDigital(board, pin, this.#isReported(board, port), signal);
  }

  /** Reads an analog input. Throws as {@link write}. */
  async readAnalog(board: StartedBoard, choice: PinChoice, signal: AbortSignal): Promise<number> {
    const { pins } = board.facts;
    const meant = this.choice(choice);
    // As Arduino's own analogRead(0): a number is a channel too, where no pin of that number is analog.
    const isChannel =
      typeof meant === "number" && !pins.can(meant, "analog") && pins.pinOf(meant) !== undefined;
    const pin = pins.able(isChannel ? `A${meant}` : meant, "analog");
    if (this.#wishIn(pin, choice, ["analog"]) === undefined) {
      await this.#become(board, pin, { mode: "analog" }, signal);
    }
    const channel = this.#channelOf(board, pin);
    const isKept = this.#isSampled(board, pin);
    return await readAnalog(board, channel, isKept, signal);
  }

  /** What a named pin is now, as its name's value. Throws as {@link StartedBoard.ask}. */
  async get(board: StartedBoard, named: NamedPin, signal: AbortSignal): Promise<DeviceValue> {
    const pin = named.on(board.facts.pins);
    if (named.profile.mode === "analog") {
      return named.fromBoard(await this.readAnalog(board, named.profile.pin, signal));
    }
    if (named.isInput) {
      return named.fromBoard(Number(await this.readDigital(board, named.profile.pin, signal)));
    }
    return named.fromBoard((await pinState(board, pin, signal)).state);
  }

  /** Sets a named output. Throws as {@link write}. */
  async set(
    board: StartedBoard,
    named: NamedPin,
    value: number | boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { pins } = board.facts;
    const pin = named.on(pins);
    const raw = named.toBoard(value, pins);
    await this.write(board, pin, named.profile.mode, raw, signal);
  }

  /** Begins I2C where it is not yet. Throws TetherError `invalid` for a board without, or whose pins are in use. */
  async beginI2c(board: StartedBoard, signal: AbortSignal): Promise<void> {
    const { pins } = board.facts;
    if (this.#wishes.i2cDelay !== undefined) return;
    if (pins.first("i2c") === undefined) throw new TetherError("invalid", `${this.#device} has no I2C`);
    for (const [pin, { mode }] of this.#wishes.pins) {
      if (!pins.can(pin, "i2c")) continue;
      throw new TetherError("invalid", `I2C of ${this.#device} needs pin ${pin}, which is ${mode}`);
    }
    await board.tell(configureI2c(0), "I2C", signal);
    this.#wishes.i2cDelay = 0;
  }

  /** Milliseconds between two samples. Throws as {@link StartedBoard.ask}. */
  async setSamplingInterval(board: StartedBoard, interval: number, signal: AbortSignal): Promise<void> {
    await board.tell(setSamplingInterval(interval), "the sampling interval", signal);
    this.#wishes.samplingInterval = interval;
  }

  #configured(): Wishes {
    const { samplingInterval, i2c } = this.#settings;
    return { pins: new Map(), samplingInterval, i2cDelay: i2c?.delay };
  }

  /** What a pin is wanted to be, if anything. Throws TetherError `invalid` when it is none of `modes`. */
  #wishIn(pin: number, choice: PinChoice, modes: readonly PinMode[]): PinWish | undefined {
    const wish = this.#wishes.pins.get(pin);
    if (wish === undefined || modes.includes(wish.mode)) return wish;
    const message = `pin ${choice} of ${this.#device} is ${wish.mode}; allowed: ${modes.join(" or ")}`;
    throw new TetherError("invalid", message, { hint: `pinMode ${choice} ${modes[0]} makes it so` });
  }

  async #become(board: StartedBoard, pin: number, wish: PinWish, signal: AbortSignal): Promise<void> {
    const { pins } = board.facts;
    if (this.#wishes.i2cDelay !== undefined && pins.can(pin, "i2c")) {
      throw new TetherError("invalid", `pin ${pin} of ${this.#device} is taken by I2C; allowed: another pin`);
    }
    const before = this.#wishes.pins.get(pin);
    await fulfil(board, pin, wish, false, signal);
    // A pin that is told its mode again stays what it was set to: nobody has set it to anything else.
    this.#wishes.pins.set(pin, before?.mode === wish.mode ? before : wish);
    if (wish.mode !== "analog" || this.#isSampled(board, pin)) return;
    // Some boards report an analog pin from then on: nobody would listen.
    await board.tell(reportAnalog(this.#channelOf(board, pin), false), `pin ${pin}`, signal);
  }

  #channelOf(board: StartedBoard, pin: number): number {
    const channel = board.facts.pins.channel(pin);
    if (channel !== undefined) return channel;
    throw new TetherError("device-failed", `${this.#device} has told no analog channel of pin ${pin}`);
  }

  /** Whether a named pin of a port is read, so that the board has to report it. */
  #isReported(board: StartedBoard, port: number): boolean {
    return this.named.some((each) => {
      const pin = each.isInput && each.isDigital ? this.#pinOf(each, board.facts.pins) : undefined;
      return pin !== undefined && portOf(pin).port === port;
    });
  }

  #isSampled(board: StartedBoard, pin: number): boolean {
    return this.named.some(
      (each) => each.profile.mode === "analog" && this.#pinOf(each, board.facts.pins) === pin,
    );
  }

  #pinOf(named: NamedPin, pins: BoardFacts["pins"]): number | undefined {
    try {
      return named.on(pins);
    } catch {
      return undefined;
    }
  }

  /** A named pin is wanted to be what the configuration says, unless a call has set it since. */
  #claim(named: NamedPin, board: StartedBoard): void {
    try {
      const pin = named.on(board.facts.pins);
      const before = this.#wishes.pins.get(pin);
      if (before?.mode !== named.profile.mode) this.#wishes.pins.set(pin, named.wish(board.facts.pins));
    } catch (thrown) {
      if (named.isInput) this.#sink.failed(named.name, asTetherError(thrown));
    }
  }

  async #restorePin(board: StartedBoard, pin: number, wish: PinWish): Promise<void> {
    // A board that was merely unplugged from us has kept its pins: what is right is left alone.
    const state: PinState = await pinState(board, pin, NEVER);
    if (fulfils(state, wish)) return;
    try {
      await fulfil(board, pin, wish, false, NEVER);
    } catch (thrown) {
      const error = asTetherError(thrown);
      const named = this.named.find((each) => this.#pinOf(each, board.facts.pins) === pin);
      if (error.code !== "device-failed") throw error;
      if (named !== undefined && isInput(wish.mode)) this.#sink.failed(named.name, error);
    }
  }

  async #report(board: StartedBoard, named: NamedPin): Promise<void> {
    const { pins } = board.facts;
    const pin = named.isInput ? this.#pinOf(named, pins) : undefined;
    if (pin === undefined) return;
    const bytes =
      named.profile.mode === "analog"
        ? reportAnalog(this.#channelOf(board, pin), true)
        : reportDigital(portOf(pin).port, true);
    await board.tell(bytes, named.name, NEVER);
  }
}
