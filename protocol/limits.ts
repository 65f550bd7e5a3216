/**
 * Every bound on what a stranger can make this program hold, wait for or count: one place, each with its
 * unit and its reason. A limit that the owner may set in the configuration has its default here.
 */

const KiB = 1024;
const MiB = 1024 * KiB;

/** The native wire. */
export const WIRE = {
  /** Bytes of one frame's payload. A frame is what a call waits behind: 20 ms at 100 Mbit/s. */
  framePayload: 256 * KiB,
  /** Bytes of a frame that is parsed whole (everything but DATA); larger documents span frames. */
  documentFrame: 64 * KiB,
  /** Bytes that one side of a stream may send before the other grants more. */
  initialWindow: 256 * KiB,
  /** Bytes of credit that may stand open on one stream; more is a broken peer. */
  largestWindow: 64 * MiB,
  /** Streams the other side may have open at once on one connection. */
  streams: 1024,
  /** Bytes waiting to be written to one connection, across its streams, before its reading stops. */
  queuedOutput: 4 * MiB,
  /** Milliseconds of silence after which a PING is sent. */
  heartbeatInterval: 5_000,
  /** Milliseconds of silence after which the peer is taken for dead. */
  heartbeatTimeout: 15_000,
  /** Milliseconds for the TLS handshake and the first frame. */
  handshake: 10_000,
} as const;

/** JSON documents from the wire. */
export const JSON_TEXT = {
  /** Nested arrays and objects; the parser recurses. */
  depth: 64,
  /** Decimal digits of an exact integer, both ways; conversion costs grow with the square. */
  integerDigits: 4_096,
} as const;

/** Calls. */
export const CALLS = {
  /** Bytes of one request (`limits.requestBytes`). */
  requestBytes: 16 * MiB,
  /** Bytes of one result. */
  resultBytes: 64 * MiB,
  /** Members of one batch. */
  batch: 1_000,
  /** Calls waiting or running in the agent (`limits.queuedCalls`). */
  queued: 1_024,
  /** Milliseconds a call may ask for at most: one day. */
  longestTimeout: 86_400_000,
  /** Characters of a procedure's name. */
  nameLength: 200,
} as const;

/** Connections to the agent. */
export const CONNECTIONS = {
  /** Open connections in all (`limits.connections`). */
  total: 512,
  /** Open connections from one address, loopback not counted (`limits.connectionsPerAddress`). */
  perAddress: 64,
  /** Connections whose key is not paired; they have places of their own. */
  unpaired: 32,
  /** Milliseconds an unpaired connection lives. */
  unpairedLifetime: 10_000,
  /** Bytes an unpaired connection may send. */
  unpairedBytes: 64 * KiB,
} as const;

/** Pairing. */
export const PAIRING = {
  /** Milliseconds a code is valid unless `--ttl` says otherwise. */
  codeLifetime: 600_000,
  /** Wrong proofs a minute from one address. */
  triesPerAddress: 5,
  /** Wrong proofs a minute from everywhere. */
  triesInAll: 60,
  /** Milliseconds over which wrong proofs are counted. */
  triesWindow: 60_000,
  /** Characters of a controller's label. */
  labelLength: 64,
} as const;

/** Discovery over UDP. */
export const DISCOVERY = {
  /** Bytes of a datagram: fits one Ethernet frame over IPv6 without fragments. */
  datagram: 1_200,
  /** Answers a second to one address. */
  answersPerAddress: 20,
  /** Signatures a second in all; each costs a Pi about a millisecond. */
  signatures: 200,
  /** Addresses remembered for the rate limit. */
  addressesTracked: 1_024,
  /** Tags of one agent, and the characters of each. */
  tags: 16,
  tagLength: 32,
} as const;

/** Devices on serial ports. */
export const SERIAL = {
  /** Bytes of one line or packet from a device. */
  unit: 64 * KiB,
  /** Exchanges waiting for one device. */
  queuedExchanges: 256,
  /** Milliseconds between two looks for a port that is not there. */
  reopenInterval: 500,
  /** Milliseconds a device has to answer unless its configuration says otherwise. */
  answerTimeout: 2_000,
} as const;
