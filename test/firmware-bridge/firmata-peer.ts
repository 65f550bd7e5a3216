/** Modes by their numbers in protocol.md. */
export const MODE = { input: 0, output: 1, analog: 2, pwm: 3, servo: 4, i2c: 6, pullup: 11 } as const;

const PINS = 20;
const FIRST_ANALOG = 14;
const PWM = [3, 5, 6, 9, 10, 11];
const I2C = [18, 19];
/** Bytes of a sysex message that it takes, and of an I2C transfer, as an Arduino. */
const SYSEX = 64;
const WIRE = 32;

/**
 * A small peer of ours that follows the published Firmata protocol word by word (protocol.md, i2c.md, servos.md), with
 * the pins of an Arduino Uno: modes, states, reports of ports and channels, the sampling interval, servos and I2C.
 */
export class FirmataPeer {
  readonly mode: number[] = [];
  readonly state: number[] = [];
  /** What is connected to each pin: high or not. */
  readonly level: boolean[] = Array.from({ length: PINS }, () => false);
  /** What each analog channel measures. */
  readonly analog: number[] = [0, 0, 0, 0, 0, 0];
  /** Devices on its I2C, each with the bytes of its registers. */
  readonly i2c = new Map<number, Uint8Array>();
  /** What it was told of servos: pin to pulses. */
  readonly servos = new Map<number, readonly [number, number]>();
  /** Every whole message that came, as hexadecimal bytes. */
  readonly heard: string[] = [];
  interval = 19;
  i2cDelay: number | undefined;
  /** Protocol 2.this. */
  minor: number;
  /** Bytes that are lost before it hears one. */
  deaf = 0;
  /** It takes what it is told about values and does not do it. */
  isStubborn = false;
  readonly #say: (bytes: Uint8Array) => void;
  #reportedPorts = new Set<number>();
  #reportedChannels = new Set<number>();
  readonly #told = new Map<number, number>();
  #message: number[] = [];
  #sampled = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(say: (text: string) => void, minor = 5) {
    this.#say = (bytes) => say(Buffer.from(bytes).toString("latin1"));
    this.minor = minor;
    this.#forget();
    this.#timer = setInterval(() => this.#turn(), 1);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** As when it gets power, or its reset button is pushed: it says what it is. */
  start(): void {
    this.#message = [];
    this.#forget();
    this.#sayVersion();
    this.#sayFirmware();
  }

  /** Says what is no Firmata, or only looks like it. */
  babble(bytes: Uint8Array): void {
    this.#say(bytes);
  }

  receive(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (this.deaf > 0) this.deaf -= 1;
      else this.#take(byte);
    }
  }

  #take(byte: number): void {
    const [first] = this.#message;
    if (first === 0xf0 && byte !== 0xf7) {
      if (this.#message.length <= SYSEX) this.#message.push(byte);
      return;
    }
    if (byte >= 0x80 && first !== 0xf0) this.#message = [];
    this.#message.push(byte);
    const whole = this.#message;
    const length = lengthOf(whole[0] ?? 0);
    if (whole[0] === 0xf0 ? byte !== 0xf7 : whole.length < length) return;
    this.#message = [];
    this.heard.push(Buffer.from(whole).toString("hex"));
    this.#act(whole);
  }

  #act([command = 0, ...data]: readonly number[]): void {
    const [low = 0, high = 0] = data;
    const channel = command & 0x0f;
    if (command === 0xf0) this.#sysex(data.slice(0, -1));
    else if (command === 0xf4) this.#setMode(low, high);
    else if (command === 0xf5) this.#setValue(low, high);
    else if (command === 0xf9) this.#sayVersion();
    else if (command === 0xff) this.#forget();
    else if (command >> 4 === 0x9) this.#setPort(channel, low | (high << 7));
    else if (command >> 4 === 0xe) this.#write(channel, low | (high << 7));
    else if (command >> 4 === 0xc) this.#reportChannel(channel, low !== 0);
    else if (command >> 4 === 0xd) this.#reportPort(channel, low !== 0);
  }

  #sysex([id, ...data]: readonly number[]): void {
    const [low = 0, high = 0] = data;
    if (id === 0x79) this.#sayFirmware();
    else if (id === 0x6b) this.#sayCapabilities();
    else if (id === 0x69) this.#sayMapping();
    else if (id === 0x6d) this.#sayState(low);
    else if (id === 0x6f) this.#write(low, high | ((data[2] ?? 0) << 7) | ((data[3] ?? 0) << 14));
    else if (id === 0x7a) this.interval = low | (high << 7);
    else if (id === 0x70) this.#configureServo(data);
    else if (id === 0x78) {
      this.i2cDelay = low | (high << 7);
      for (const pin of I2C) this.#setMode(pin, MODE.i2c);
    } else if (id === 0x76) this.#transfer(data);
  }

  #configureServo([pin = 0, least = 0, lesser = 0, most = 0, more = 0]: readonly number[]): void {
    this.servos.set(pin, [least | (lesser << 7), most | (more << 7)]);
    this.#setMode(pin, MODE.servo);
  }

  #transfer([address = 0, flags = 0, ...rest]: readonly number[]): void {
    const values = Array.from(
      { length: rest.length / 2 },
      (_, index) => (rest[2 * index] ?? 0) | ((rest[2 * index + 1] ?? 0) << 7),
    );
    const registers = this.i2cDelay === undefined ? undefined : this.i2c.get(address);
    if ((flags & 0x18) === 0) {
      const [register = 0, ...bytes] = values;
      registers?.set(bytes.slice(0, WIRE - 1), register);
      return;
    }
    const register = values.length === 2 ? (values[0] ?? 0) : 0;
    const count = values.at(-1) ?? 0;
    const bytes = registers?.subarray(register, register + Math.min(count, WIRE)) ?? [];
    if (bytes.length < count) this.#sayText("I2C: Too few bytes received");
    this.#saySysex(0x77, ...pairs([address, register, ...bytes]));
  }

  #setMode(pin: number, mode: number): void {
    const can = pin < PINS && capabilities(pin).includes(mode);
    if (!can) return;
    this.mode[pin] = mode;
    this.state[pin] = mode === MODE.pullup ? 1 : 0;
    if (pin >= FIRST_ANALOG) this.#reportChannel(pin - FIRST_ANALOG, mode === MODE.analog);
  }

  #setValue(pin: number, value: number): void {
    if (this.mode[pin] === MODE.output && !this.isStubborn && this.minor >= 5) this.state[pin] = value;
  }

  #setPort(port: number, value: number): void {
    for (let bit = 0; bit < 8; bit += 1) {
      const pin = port * 8 + bit;
      if (this.mode[pin] === MODE.output) this.state[pin] = (value >> bit) & 1;
    }
  }

  #write(pin: number, value: number): void {
    const mode = this.mode[pin];
    if ((mode === MODE.pwm || mode === MODE.servo) && !this.isStubborn) this.state[pin] = value;
  }

  #reportPort(port: number, isWanted: boolean): void {
    if (!isWanted) this.#reportedPorts.delete(port);
    else {
      this.#reportedPorts.add(port);
      this.#sayPort(port);
    }
  }

  #reportChannel(channel: number, isWanted: boolean): void {
    if (!isWanted) this.#reportedChannels.delete(channel);
    else {
      this.#reportedChannels.add(channel);
      this.#sayChannel(channel);
    }
  }

  #forget(): void {
    this.#reportedPorts = new Set();
    for (let pin = 0; pin < PINS; pin += 1) {
      this.mode[pin] = pin >= FIRST_ANALOG ? MODE.analog : MODE.output;
      this.state[pin] = 0;
    }
    this.#reportedChannels = new Set();
    this.#told.clear();
    this.servos.clear();
    this.interval = 19;
    this.i2cDelay = undefined;
  }

  #turn(): void {
    for (const port of this.#reportedPorts) {
      if (this.#told.get(port) !== this.#portValue(port)) this.#sayPort(port);
    }
    if (performance.now() - this.#sampled < this.interval) return;
    this.#sampled = performance.now();
    for (const channel of this.#reportedChannels) this.#sayChannel(channel);
  }

  #portValue(port: number): number {
    let value = 0;
    for (let bit = 0; bit < 8; bit += 1) {
      const pin = port * 8 + bit;
      const isInput = this.mode[pin] === MODE.input || this.mode[pin] === MODE.pullup;
      if (isInput && this.level[pin]) value |= 1 << bit;
    }
    return value;
  }

  #sayPort(port: number): void {
    const value = this.#portValue(port);
    this.#told.set(port, value);
    this.#say(Uint8Array.of(0x90 | port, value & 0x7f, value >> 7));
  }

  #sayChannel(channel: number): void {
    const value = this.analog[channel] ?? 0;
    this.#say(Uint8Array.of(0xe0 | channel, value & 0x7f, value >> 7));
  }

  #sayVersion(): void {
    this.#say(Uint8Array.of(0xf9, 2, this.minor));
  }

  #sayFirmware(): void {
    this.#saySysex(0x79, 2, this.minor, ...pairs([...Buffer.from("Peer.ino")]));
  }

  #sayCapabilities(): void {
    const pins = Array.from({ length: PINS }, (_, pin) => [
      ...capabilities(pin).flatMap((mode) => [mode, resolution(mode)]),
      0x7f,
    ]);
    this.#saySysex(0x6c, ...pins.flat());
  }

  #sayMapping(): void {
    this.#saySysex(
      0x6a,
      ...Array.from({ length: PINS }, (_, pin) => (pin < FIRST_ANALOG ? 0x7f : pin - FIRST_ANALOG)),
    );
  }

  #sayState(pin: number): void {
    const state = this.state[pin] ?? 0;
    this.#saySysex(0x6e, pin, this.mode[pin] ?? 0, state & 0x7f, ...(state > 0x7f ? [state >> 7] : []));
  }

  #sayText(text: string): void {
    this.#saySysex(0x71, ...pairs([...Buffer.from(text)]));
  }

  #saySysex(...bytes: readonly number[]): void {
    this.#say(Uint8Array.of(0xf0, ...bytes, 0xf7));
  }
}

function lengthOf(command: number): number {
  const kind = command >> 4;
  if (kind === 0x9 || kind === 0xe || command === 0xf4 || command === 0xf5) return 3;
  return kind === 0xc || kind === 0xd ? 2 : 1;
}

function capabilities(pin: number): number[] {
  if (pin < 2) return [];
  return [
    MODE.input,
    MODE.pullup,
    MODE.output,
    ...(pin >= FIRST_ANALOG ? [MODE.analog] : []),
    ...(PWM.includes(pin) ? [MODE.pwm] : []),
    MODE.servo,
    ...(I2C.includes(pin) ? [MODE.i2c] : []),
  ];
}

function resolution(mode: number): number {
  return mode === MODE.analog ? 10 : mode === MODE.pwm ? 8 : mode === MODE.servo ? 14 : 1;
}

function pairs(bytes: readonly number[]): number[] {
  return bytes.flatMap((byte) => [byte & 0x7f, byte >> 7]);
}
