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
  /** Bytes of unfinished documents on one connection, in all its streams. */
  unfinishedDocuments: 64 * MiB,
  /** Bytes of documents on one connection that wait for the other side to take them, in all its streams. */
  waitingDocuments: 128 * MiB,
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

/** Calls that carry a key, and whose outcome is kept for who calls again. */
export const KEYED_CALLS = {
  /** Bytes of a key. */
  keyBytes: 256,
  /** Milliseconds that an outcome is kept, and that a call goes on whose caller is gone and gave no deadline. */
  memory: 3_600_000,
  /** Outcomes kept; beyond that the oldest are forgotten. */
  kept: 10_000,
  /** Bytes of kept outcomes as JSON, and of one; a larger result is given once. */
  bytes: 32 * MiB,
  resultBytes: 8 * MiB,
  /** Milliseconds that a call may have been on its way: a broken connection is noticed within this. */
  transit: 30_000,
} as const;

/** A connection that the controller makes again for the calls that it broke. */
export const RECONNECT = {
  /** Milliseconds for which it tries, each time. */
  patience: 15_000,
  /** Milliseconds before the second try, how much longer each pause is than the last, and the longest. */
  firstPause: 50,
  pauseGrowth: 2,
  longestPause: 2_000,
  /** How often one call is sent at most. */
  sends: 100,
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
  /** Handshakes under way; beyond it the oldest is dropped, so that stalled ones shut nobody out. */
  handshakes: 256,
  /** Refused connections that still get to read why; beyond it they are just dropped. */
  refused: 32,
  /** Milliseconds that a peer gets to take the last words of a session. */
  farewell: 2_000,
  /** The same where the agent is stopping. */
  lastFarewell: 250,
} as const;

/** Log lines about what strangers are refused; beyond these they are counted. */
export const REFUSALS = {
  /** Lines about one address in one window. */
  linesPerAddress: 20,
  /** Lines about all of them. */
  lines: 200,
  /** Milliseconds of a window. */
  window: 60_000,
  /** Addresses counted one by one. */
  addresses: 1_024,
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
  /** Milliseconds that `--ttl` may ask for at most: one day. */
  longestCodeLifetime: 86_400_000,
} as const;

/** Names of agents and labels of controllers. */
export const NAMES = {
  /** Characters (code points) of one. */
  length: 64,
} as const;

/** What each side keeps on disk about itself and the others. */
export const STATE = {
  /** Bytes of a file that is read whole. */
  fileBytes: 8 * MiB,
  /** Controllers paired with one agent. */
  controllers: 1_000,
  /** Agents paired with one controller. */
  agents: 10_000,
  /** Addresses remembered for one agent. */
  addresses: 8,
  /** Milliseconds between two writes of when controllers were last seen; an SD card wears. */
  lastSeenInterval: 60_000,
  /** Milliseconds that one `tether` waits for another that is changing the same folder. */
  lockWait: 5_000,
} as const;

/** One command on several agents. */
export const FAN_OUT = {
  /** Agents worked on at the same time; each costs this side a connection and its handshake. */
  atOnce: 32,
  /** Bytes of input that are kept to be given to every one of them. */
  input: 8 * MiB,
  /** Bytes of an unfinished line that wait for its end, for each output of each agent; then it is broken. */
  line: 64 * KiB,
  /** Bytes of a file of rows, and its rows. */
  rowsBytes: 256 * MiB,
  rows: 1_000_000,
  /** Milliseconds below which a row is quick: the next one waits at the agent then, and no round trip is idle. */
  quickRow: 100,
  /** Rows under way with one agent, however many processes it says that it has. */
  rowsPerAgent: 64,
  /** Rows that may be answered before their turn to be printed has come. */
  rowsAhead: 10_000,
  /** Agents that may be lost over one row before it is given up: it may be what ends them. */
  triesPerRow: 3,
  /** Milliseconds between the first two tries to reach an agent that was lost, and the longest such pause. */
  firstPause: 250,
  longestPause: 2_000,
  /** Milliseconds for which they are all tried again once the last one was lost. */
  patience: 15_000,
} as const;

/** The agent's log. */
export const LOG = {
  /** Lines kept in memory for `tether logs`. */
  kept: 1_000,
  /** Characters of one line; a longer one is cut. */
  lineLength: 4_096,
  /** Lines waiting for one reader that follows; it loses the ones after that, and is told how many. */
  waiting: 1_000,
} as const;

/** The FTP client: what a server may make it hold or wait for. */
export const FTP_CLIENT = {
  /** Bytes of one line of a reply. */
  replyLine: 8 * KiB,
  /** Lines of one reply; FEAT and HELP are the longest. */
  replyLines: 1_000,
  /** Replies that have come before anybody waits for them. */
  replies: 64,
  /** Bytes of one listing: 10,000 names take one MiB. */
  listing: 64 * MiB,
  /** Bytes of a file that are read or written at once. */
  piece: MiB,
  /** Milliseconds without a byte on the connection that something is expected on. */
  silence: 30_000,
  /** Milliseconds that a server may take to bring a file that it was sent to its disk. */
  settling: 300_000,
  /** Milliseconds for the reply that says why a server has broken off a transfer. */
  reason: 2_000,
  /** Milliseconds until a data connection stands. */
  dataConnection: 15_000,
  /** Milliseconds during which a lost connection is made again, to go on where a file was cut. */
  reconnect: 15_000,
  /** Folders inside one another, in a tree that is copied or removed. */
  depth: 64,
} as const;

/** The agent's own Unix socket, over which `tetherd pair` and the like reach it. */
export const CONTROL = {
  /** Bytes of one request. */
  requestBytes: 64 * KiB,
  /** Connections at once; each is one command of the owner's. */
  connections: 16,
  /** Milliseconds for a request and its answer. */
  wait: 10_000,
} as const;

/** Discovery over UDP. */
export const DISCOVERY = {
  /** UDP port unless the configuration or `--port` says otherwise. */
  port: 7415,
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
  /** UTF-8 bytes of an agent's name and of its program's version in an answer. */
  nameBytes: 256,
  versionBytes: 32,
  /** Addresses in one answer; a Pi has fewer, a container host many that lead nowhere. */
  addresses: 12,
  /** Askers that a stopping agent says goodbye to, and the milliseconds that each is remembered. */
  askersTracked: 256,
  askerMemory: 10_000,
  /** Milliseconds within which a second question from one asker means that it heard no answer. */
  repeatWindow: 1_000,
  /** Copies of a goodbye and of an announcement, and the milliseconds between two: any one may be lost. */
  copies: 3,
  copyInterval: 40,
  /** Milliseconds between two looks at the interfaces for new ones. */
  interfaceInterval: 5_000,
  /** Milliseconds that a look at the interfaces serves for answers. */
  interfaceMemory: 1_000,
  /** Milliseconds between two log lines about refused questions. */
  floodReportInterval: 10_000,
  /** Interfaces asked on; a container host has one a container. */
  interfaces: 64,
  /** Addresses asked one by one. */
  targets: 256,
  /** Agents a controller keeps; a stranger on the link can invent any number. */
  agents: 1_024,
  /** Milliseconds before the second question, how much longer each pause is than the last, and the longest. */
  firstPause: 50,
  pauseGrowth: 1.4,
  longestPause: 3_000,
  /** Questions in one round of `--watch`, where somebody known does not answer. */
  asksInRound: 7,
  /** Milliseconds that a question's nonce is good for. */
  nonceLifetime: 2_500,
  /** Milliseconds between two rounds of `--watch`. */
  watchInterval: 2_900,
  /** Milliseconds without an answer after which an agent is gone: three rounds, and time to answer the last. */
  watchLifetime: 9_500,
  /** Milliseconds between two questions that announcements cause. */
  announcementInterval: 1_000,
} as const;

/** Files, and moving them. */
export const FILES = {
  /** Bytes of one name: Linux's NAME_MAX. */
  nameBytes: 255,
  /** Bytes of a path: Linux's PATH_MAX. */
  pathBytes: 4_096,
  /** Symbolic links followed in one path: as many as Linux does. */
  links: 40,
  /** Folders inside each other that one transfer or removal goes down; each holds a descriptor. */
  depth: 128,
  /** Entries of a folder in one answer. */
  listed: 10_000,
  /** Bytes of the quota that a growing file holds in advance. */
  room: MiB,
} as const;

/** One transfer of files. */
export const TRANSFER = {
  /** Transfers at once on one agent; each may hold some 500 descriptors and the window below. */
  atOnce: 16,
  /** Bytes that a receiver lets the sender be ahead: 2.5 MB are on their way at 1 Gbit/s and 20 ms. */
  window: 4 * MiB,
  /** Buffers of a sender, each as large as a frame. */
  buffers: 6,
  /** Reads of one file at once. */
  readAhead: 3,
  /** Bytes of a file that is read or written in the event loop, which is faster than asking a thread to. */
  smallFile: 64 * KiB,
  /** Bytes gathered before a thread writes them, and writes at once. */
  writeBytes: MiB,
  writes: 2,
  /** Whole files that wait for their names, and their bytes, before all are synced together. */
  batchFiles: 128,
  batchBytes: 32 * MiB,
  /** Milliseconds that a whole file waits for others at most. */
  batchWait: 200,
  /** Milliseconds of work on small files before the event loop gets its turn. */
  slice: 3,
  /** Files and folders named in one request. */
  sources: 4_096,
  /** Entries that one side could not take; after that the transfer is given up. */
  failures: 1_000,
  /**
   * Bytes of a file from which a broken transfer of it is gone on with. Asking whether there is a part of it may
   * cost a round trip, which is little beside the time that so many bytes take.
   */
  resumable: 4 * MiB,
  /** Bytes of a file between two digests of it, at least; each costs the receiver a note of 60 bytes. */
  leastPiece: 256 * KiB,
  /** Digests by which a part of a file is compared. */
  proofs: 1_024,
  /** Bytes of a part's journal: notes for 60 GB, and what is beyond them is sent again. */
  journalBytes: 4 * MiB,
  /** Characters of what tells one command's transfer from all others. */
  transferId: 64,
  /** Bytes of the history of a transfer of many files, and files of it that the sender is told of. */
  historyBytes: 16 * MiB,
  historyFiles: 100_000,
  /** Parts of broken transfers that an agent keeps, and the milliseconds that each is kept. */
  leftovers: 64,
  leftoverAge: 86_400_000,
  /** Bytes of a record that is parsed whole; a symbolic link's name and target are the longest. */
  record: 8 * KiB,
  /** Bytes that have been unpacked and not been dealt with, before more is unpacked; more than is gathered and written at once. */
  unpacked: 4 * MiB,
  /** Patterns of what a sync leaves out. */
  exclusions: 256,
  /** Bytes of the list of one folder, and of any other answer in a sync: some 800,000 names. */
  listingBytes: 32 * MiB,
  /** Folders, and entries in them, that the sender of a sync has asked about and not compared yet. */
  foldersAhead: 64,
  entriesAhead: 4_000,
  /** Old files that are compared with new ones at once, and large ones among them; each of those takes 2 MiB. */
  comparisons: 128,
  largeComparisons: 8,
  /** Files that wait to be compared by content before the walk through the folders goes on. */
  comparisonsAhead: 1_024,
  /** Bytes of the paths that a sync will remove in the end; the rest is left to the next one. */
  removals: 32 * MiB,
} as const;

/** Devices on serial ports. */
export const SERIAL = {
  /** Bytes of one line or packet from a device. */
  unit: 64 * KiB,
  /** Exchanges waiting for one device: a few batches of a thousand calls. */
  queuedExchanges: 4_096,
  /** Milliseconds after which a port that has gone is first looked for; each pause is twice the last. */
  firstReopen: 25,
  /** Milliseconds between two looks for a port that is not there, at most. */
  reopenInterval: 500,
  /** Milliseconds a device has to answer unless its configuration says otherwise. */
  answerTimeout: 2_000,
  /** Milliseconds between two tries of a port that is there but busy or broken; a try touches its settings. */
  retryInterval: 1_000,
  /** Milliseconds between two looks whether an open port is still there; reading does not always tell. */
  presenceInterval: 1_000,
  /** Milliseconds that a port has to stay open for the pauses to begin from the first again. */
  settled: 100,
  /** Milliseconds that a port may take to send what it has, once it is waited for. */
  drain: 30_000,
  /** Bytes waiting to be written to one port. */
  queuedOutput: 256 * KiB,
  /** Bytes from a port that are kept for watchers who come back, and that are while one of them is behind. */
  kept: 64 * KiB,
  keptBehind: 1 * MiB,
  /** Watchers of one port. */
  watchers: 64,
  /** Milliseconds between two looks at a port's input lines, while somebody wants to know of changes. */
  linesInterval: 100,
  /** Milliseconds that a lease without signs of life may be asked for. */
  shortestLease: 100,
  longestLease: 86_400_000,
  /** Ports that no device has and that are open at once. */
  undeclared: 16,
  /** Bits a second. */
  slowest: 50,
  fastest: 12_000_000,
  /** Milliseconds of a break. */
  longestBreak: 10_000,
  /** Bytes that are taken from a port, and given to one, at once. */
  heard: 64 * KiB,
  said: 16 * KiB,
  /** Bytes in both directions, and pieces, that are kept for one who records a port and is too slow for it. */
  recorded: 1 * MiB,
  recordedPieces: 4_096,
  /** Lines and characters of one answer; more is no answer but a log. */
  answerLines: 4_096,
  answerBytes: 1 * MiB,
  /** Milliseconds that a port waits for an answer that is late, before the next question goes out. */
  lateAnswer: 1_000,
  /** Bytes of a line or packet that are kept to show what came. */
  sample: 64,
  /** Failures in a row after which a reading is stale. */
  staleFailures: 3,
} as const;

/** Serial ports over the network: RFC 2217, and bytes as they are. */
export const COM_PORT = {
  /** Bytes of one Telnet subnegotiation; a signature is the longest. */
  subnegotiation: 256,
  /** Bytes handed to the port that it has not taken yet; those behind them wait here. */
  writeAhead: 32 * KiB,
  /** Bytes from a client, and commands, that wait for the port before less is read from it, and until more is again. */
  waitingBytes: 128 * KiB,
  waitingCommands: 1_024,
  resumeBelow: 16 * KiB,
  /** Bytes from the port that are given to a client at once. */
  piece: 16 * KiB,
  /** Bytes of answers kept for a client that has asked for silence; beyond that it is disconnected. */
  heldAnswers: 16 * KiB,
  /** Milliseconds between two looks whether a client that is not read from is still there. */
  probeInterval: 1_000,
  /** Milliseconds after which a client that has said nothing is spoken to in Telnet. */
  greeting: 200,
  /** Milliseconds for which a client that finds the port held tries again, and between two tries: the one before may just be leaving. */
  patience: 500,
  retryInterval: 50,
  /** Clients of an exposed port; all but one of them only hear that it is held. */
  clients: 16,
  /** Milliseconds of the break that Telnet's own command stands for. */
  breakTime: 250,
} as const;

/** Modbus over a serial line. Milliseconds where nothing else is said. */
export const MODBUS = {
  /** What one question may read or write (Modbus Application Protocol 1.1b3, §6). */
  readBits: 2_000,
  readRegisters: 125,
  writeBits: 1_968,
  writeRegisters: 123,
  readWriteRegisters: 121,
  /** After a question that nobody answers, for all units to carry it out (Modbus over Serial Line 1.02, §2.4.1). */
  turnaround: 100,
  /** How long an answer that did not come is looked out for: a unit that is asked within it has to prove first that nothing is on its way. */
  overdue: 10_000,
  /** Between two polls of a unit that does not answer, at most. */
  longestPause: 60_000,
} as const;

/** Machines that speak G-code. */
export const GCODE = {
  /** Bytes of one line of a program, comments included. */
  fileLine: 4_096,
  /** Milliseconds that a machine gets to slow down and come to rest, and between two looks whether it has. */
  rest: 10_000,
  restPoll: 100,
  /**
   * Milliseconds for which a machine that has taken all may stay in one place before its job counts as done: drivers
   * that are switched off, or steps that nobody counts, leave it running for ever.
   */
  standstill: 5_000,
  /** Milliseconds that it gets for that when the agent stops. */
  leave: 700,
  /** Milliseconds that a machine gets to come back from a reset that it was told to do, and how often it is told. */
  reset: 600,
  resets: 5,
  /** Milliseconds that homing may take without a word. */
  homing: 600_000,
  /** Milliseconds between two greetings to a machine that has not answered yet, and after it said that it starts. */
  greeting: 2_000,
  startPause: 200,
  /** Steps of an override: from one end to the other in tens, then in ones. */
  overrideSteps: 32,
  /** Looks at whether a step has been done, and the milliseconds between two. */
  overrideLooks: 25,
  overridePause: 10,
  /** Lines that a machine may want again, and times in a row that it may want one. */
  resendable: 32,
  resends: 10,
  /** Milliseconds that a machine gets to say `ok` to its own question for a line. */
  resendPause: 500,
} as const;

/** Recordings that stand in for a device. */
export const RECORDINGS = {
  /** Bytes of the file. */
  fileBytes: 64 * MiB,
  /** Milliseconds that a device says nothing by itself, at most: what a timer can wait. */
  longestPause: 0x7fff_ffff,
  /** Lines of the log about what does not go as it was recorded. */
  notes: 100,
} as const;

/** Boards with MicroPython. Milliseconds and bytes. */
export const MICROPYTHON = {
  /** For the board's REPL to answer a control character. */
  answer: 2_000,
  /** Tries to enter the raw REPL: a program on the board may take the first interrupt for itself. */
  entries: 2,
  /** For what is put in order on the board after its caller has gone. */
  farewell: 1_000,
  /** That one step of a command may take without a byte unless the configuration says otherwise. */
  silence: 10_000,
  /** Plain raw mode has no flow control: bytes sent at once, and the pause after them. */
  piece: 256,
  pause: 10,
  /** Of one file; it is held in memory on its way. */
  fileBytes: 8 * MiB,
  /** Of a file in one piece of code, and in one line that is printed: a small board has few KiB free. */
  fileWrite: 768,
  fileRead: 512,
} as const;

/** Boards that describe themselves in frames. */
export const FRAMES = {
  /** Bytes of a message, so that COBS needs one byte for a frame; and the fewest that a board has to take. */
  largestPayload: 252,
  smallestPayload: 16,
  /** Bytes of a description, and what it may have. */
  description: 8 * KiB,
  commands: 64,
  values: 64,
  parameters: 16,
  /** Characters of a summary, a unit, a log text. */
  proseLength: 200,
  /** Milliseconds for the answer to the question who is there. */
  helloTime: 500,
  /** Milliseconds between two questions who is there, while nobody answers: the first, and the longest. */
  firstPause: 100,
  longestPause: 2_000,
} as const;

/** Boards with Firmata. */
export const FIRMATA = {
  /** Pins of a board: a pin's number has 7 bits. */
  pins: 128,
  /** Bytes of one sysex message from a board: a list of capabilities with all modes of all pins has half of that. */
  sysex: 8 * KiB,
  /** Characters of a text from a board. */
  text: 1_024,
  /** Bytes to an I2C device at once: two each and an address of two have to fit the 64 that StandardFirmata takes. */
  i2cWrite: 30,
  /** Bytes from one: what Arduino's Wire library holds. */
  i2cRead: 32,
  /** Milliseconds between two samples, at most: 14 bits. */
  samplingInterval: 0x3fff,
  /** Microseconds between writing the number of a register and reading it, at most: 14 bits. */
  i2cDelay: 0x3fff,
  /** Milliseconds before a board that has not answered the first question is asked again: it may be starting. */
  greeting: 500,
  /** The same once it has been silent for longer than any board takes to start. */
  longestGreeting: 4_000,
  /** Milliseconds that a call waits for a board that has not answered yet; one with a boot loader takes some four seconds. */
  start: 8_000,
  /** Tries of each further question, before it is begun from the first again. */
  tries: 3,
} as const;

/** Watching devices. */
export const WATCH = {
  /** Changes kept for a watcher that is too slow for them; beyond that it loses the oldest. */
  changes: 1_024,
  /** Readings that one watcher may name: as many as a device has. */
  readings: 256,
  /** Milliseconds that a watcher tries to come back for after its connection was lost. */
  reconnect: 15_000,
} as const;

/** The agent's configuration file. */
export const CONFIGURATION = {
  /** Bytes of the file: parsing the worst text of this size takes about a second. */
  fileBytes: 256 * KiB,
  /** Open brackets, and dashes of nested lists on one line; the parser recurses. */
  depth: 32,
  /** Columns of indentation; each may be a level of nesting. */
  indentation: 200,
  /** Uses of YAML aliases, so that a few lines cannot stand for millions. */
  aliases: 100,
  /** Mistakes reported in one run. */
  mistakes: 1_000,
  /** Devices, and commands, parameters and readings of each. */
  devices: 64,
  members: 256,
  /** Gateways, and the patterns and aliases of each. */
  gateways: 64,
  /** Characters of a device's, command's, parameter's or reading's name. */
  memberNameLength: 64,
  /** Characters of a free text and of a regular expression. */
  textLength: 1_024,
  /** Characters of a file's path: Linux's PATH_MAX. */
  pathLength: 4_096,
  /** Bytes of a Unix socket's path: Linux's sun_path less its zero (unix(7)). */
  socketPathBytes: 107,
  /** Entries looked at in the folder of procedures. */
  procedureEntries: 10_000,
} as const;

/** The built-in procedures. */
export const PROCEDURES = {
  /** Characters of an expression; one literal alone may have `JSON_TEXT.integerDigits`. */
  expression: 8_192,
  /** Nested parentheses, signs and powers of an expression; the parser recurses. */
  expressionDepth: 64,
  /** Operations of one expression, each on numbers of at most `JSON_TEXT.integerDigits` digits. */
  expressionOperations: 1_000,
  /** Characters of a pack format. */
  packFormat: 1_024,
  /** Values packed or unpacked by one call. */
  packValues: 100_000,
  /** Bytes packed, unpacked or given by decompression: as base64 they fit one result. */
  bytes: 32 * MiB,
  /** Characters of a host name (RFC 1035 §2.3.4). */
  hostName: 253,
  /** Name look-ups running at once; each holds one of the four threads that files share. */
  lookups: 2,
  /** Name look-ups waiting for their turn. */
  queuedLookups: 64,
  /** Milliseconds for a name look-up, waiting included. */
  lookupTimeout: 5_000,
  /** File systems that system.info lists. */
  disks: 32,
} as const;

/** User procedures, and the processes that they run in. */
export const COMPUTE = {
  /** Files in the folder of procedures, bytes of one and of all: each process gets a copy of them. */
  files: 256,
  fileBytes: MiB,
  sourceBytes: 16 * MiB,
  /** Procedures of one file, and characters of a summary. */
  proceduresPerFile: 256,
  summaryLength: 1_024,
  /** Milliseconds that a process gets to start; the slowest Pi takes some 2 s. */
  start: 30_000,
  /** Milliseconds that one file gets to load. */
  load: 5_000,
  /** Milliseconds that the agent's own start waits for the files. */
  firstLoad: 10_000,
  /** Milliseconds that a cancelled procedure has to end by itself before its process is ended. */
  grace: 500,
  /** Milliseconds after which a process without work is ended. */
  idle: 60_000,
  /** Milliseconds between two looks at how much memory a busy process has. */
  memoryInterval: 25,
  /** Bytes of one message between the agent and a process: a result, and what goes with it. */
  message: 65 * MiB,
  /** Bytes of arguments that wait for a process. */
  queuedBytes: 64 * MiB,
  /** Calls of other procedures that one process may have under way, and how deep they may call each other. */
  nestedCalls: 64,
  nesting: 16,
  /** Bytes that Node itself comes to need while a process works, beyond what it had when it was ready. */
  nodeGrowth: 16 * MiB,
  /** Milliseconds that the pipes of a process that has ended are read on. */
  lastWords: 500,
  /** Milliseconds between two reports of progress by one call. */
  progressInterval: 50,
  /** Characters of a note in a report of progress. */
  noteLength: 200,
  /** Bytes of yielded results that are on their way from a process. */
  yieldWindow: 256 * KiB,
  /** Bytes of yielded results that are kept for a caller who gets them all at the end. */
  collected: 8 * MiB,
  /** Lines that one process may write to the log in one window; then it waits. */
  logLines: 100,
  logWindow: 10_000,
  /** Characters of an error's message. */
  messageLength: 1_000,
  /** Milliseconds between a change in the folder and the look at it: editors write in several steps. */
  reloadDelay: 150,
  /** Milliseconds between two looks for a folder that is not there. */
  folderInterval: 2_000,
} as const;

/** MQTT. */
export const MQTT = {
  /** Seconds of silence after which the agent gives a sign of life; a broker gives it up after 1.5 of them. */
  keepalive: 10,
  /** Milliseconds for TCP, TLS and the broker's CONNACK. */
  connectTimeout: 10_000,
  /** Milliseconds before the second try, how much longer each pause is than the last, and the longest. */
  firstPause: 500,
  pauseGrowth: 2,
  longestPause: 30_000,
  /** Milliseconds that a connection has to last for the pauses to begin from the first again. */
  settled: 10_000,
  /** Bytes of one packet from the broker, so of a call, and of the answer to one. */
  packet: 1 * MiB,
  /** Bytes of an id of a call, of its correlation data, and of a response topic. */
  idBytes: 128,
  correlationBytes: 1 * KiB,
  responseTopicBytes: 1 * KiB,
  /** Milliseconds that a call is remembered so that its repetition is dropped, and how many are. */
  repeatMemory: 300_000,
  repeatsTracked: 1_024,
  /** Milliseconds for a call, whose caller cannot be seen to go away, unless its expiry is sooner. */
  callTimeout: 300_000,
  /** Bytes of answers waiting to be written. */
  queuedAnswers: 4 * MiB,
  /** Milliseconds between two messages about one device's state while its readings come fast. */
  stateInterval: 200,
  /** Milliseconds between two looks whether the facts about the agent have changed. */
  infoInterval: 60_000,
  /** Milliseconds after connecting within which retained messages of devices that are gone are taken away. */
  sweep: 5_000,
  /** Milliseconds for the last messages and the goodbye. */
  farewell: 1_000,
  /** Reasons that are told of one time without a connection. */
  reasons: 10,
  /** Bytes of the file that holds the password. */
  passwordFile: 64 * KiB,
  /** What the embedded broker bears: connections, bytes of a packet, milliseconds for a CONNECT. */
  brokerConnections: 64,
  brokerPacket: 256 * KiB,
  brokerHandshake: 10_000,
  /** Milliseconds that one of its clients may leave unread what it was sent. */
  brokerDrain: 5_000,
  /** Subscriptions, and messages of QoS 2 under way, of one of its clients. */
  brokerSubscriptions: 256,
  brokerInflight: 8,
  /** Retained messages that its clients may leave there, and their bytes. */
  brokerRetained: 2_000,
  brokerRetainedBytes: 16 * MiB,
} as const;

/** Gateways. What the owner may set for each one has its default in the configuration's table. */
export const GATEWAYS = {
  /** Bytes read ahead of the request that is being answered, on one connection. */
  readAhead: 64 * KiB,
  /** Bytes of unfinished requests in all connections of a gateway; one of its `requestBytes` fits always. */
  unfinishedRequests: 64 * MiB,
  /** Bytes of answers that wait in all connections of a gateway for clients that do not read. */
  waitingAnswers: 128 * MiB,
  /** Milliseconds that a client gets to read the last words. */
  farewell: 1_000,
  /** Looks for silent connections within one time of silence. */
  idleLooks: 8,
  /** Milliseconds of silence after which the kernel asks whether a client that holds a port is still there. */
  keepAlive: 15_000,
  /** Connections that wait to be accepted; the kernel may allow fewer (listen(2)). */
  backlog: 4_096,
  /** Milliseconds between two tries to open a gateway that cannot be opened, such as a port in use. */
  retryInterval: 2_000,
  /** Milliseconds that calls in flight get when a gateway is taken out of the configuration. */
  finishWithin: 2_000,
  /** Bytes of a datagram's payload over IPv4, which also fits IPv6. */
  datagram: 65_507,
  /** How many times the bytes of a datagram its answer may have, headers counted: little enough that nobody forges addresses for it. */
  amplification: 4,
  /** Bytes of an IPv4 and a UDP header, without options. */
  datagramHeaders: 28,
  /** Datagrams a second that one address is answered (a /64 of IPv6), and addresses remembered for it. */
  datagramsPerAddress: 1_000,
  addressesTracked: 1_024,
  /** Bytes of answers waiting for the network in one UDP gateway; more are dropped, as the network does. */
  queuedDatagrams: 4 * MiB,
  /** Bytes of an HTTP request's head. */
  httpHead: 16 * KiB,
  /** Milliseconds for an HTTP request's head, and for a TLS handshake. */
  httpHeadTime: 10_000,
  /** Seconds for which a browser need not ask again whether a page may call. */
  preflightAge: 600,
  /** Milliseconds between two looks for HTTP requests that take too long. */
  httpLooks: 1_000,
  /** Elements of XML inside each other: those of `JSON_TEXT.depth` arrays or structures of XML-RPC, and its frame. */
  xmlDepth: 3 * JSON_TEXT.depth + 8,
  /** Bearer tokens of one agent. */
  tokens: 1_000,
} as const;

/** The FTP server. */
export const FTP = {
  /** Bytes of one command: a path and the verb before it. */
  command: 4_608,
  /** Commands waiting on one connection while one is carried out, and bytes read ahead of those. */
  queuedCommands: 64,
  readAhead: 64 * KiB,
  /** Milliseconds from connecting to being logged in, and for a TLS handshake. */
  login: 60_000,
  /** Milliseconds for a data connection to be made. */
  dataConnection: 30_000,
  /** Milliseconds without any data in the middle of a transfer. */
  silence: 60_000,
  /** Wrong passwords on one connection, and milliseconds before each is answered. */
  attempts: 3,
  attemptDelay: 1_000,
  /** Wrong passwords from one address in the milliseconds of a window, and addresses remembered for it. */
  attemptsPerAddress: 10,
  attemptWindow: 60_000,
  addressesTracked: 1_024,
  /** Bytes of the file that holds the password. */
  passwordFile: 64 * KiB,
  /** Bytes of a file that are read, and of a listing that are sent, at once. */
  piece: 256 * KiB,
  /** Broken uploads that may still be gone on with, and the milliseconds that each is kept. */
  brokenUploads: 16,
  brokenUploadMemory: 3_600_000,
  /** Milliseconds that a client gets to read the last words. */
  farewell: 1_000,
} as const;

/** Programs that an admin runs on the agent's machine, and their jobs. */
export const PROGRAMS = {
  /** Programs that run at once for controllers that wait for them, and as jobs. */
  atOnce: 64,
  jobsAtOnce: 32,
  /** Bytes of a command, and of its variables: half of what Linux takes for both unless told otherwise. */
  commandBytes: MiB,
  /** Milliseconds between SIGTERM and SIGKILL, between two looks whether the process group is gone, and for the last output of what escaped it. */
  killAfter: 2_000,
  groupLooks: 50,
  lastOutput: 500,
  /** Bytes that either side lets the other be ahead, and that wait in one before it reads no more. */
  window: 4 * MiB,
  waiting: MiB,
  /** Bytes of a script; as base64 it fits one request. */
  scriptBytes: 8 * MiB,
  /** Files that `--fetch` brings, their bytes, entries of the work folder looked at, and characters of a pattern. */
  fetchedFiles: 10_000,
  fetchedBytes: 4 * 1024 * MiB,
  entries: 100_000,
  patternLength: 1_024,
  /** Jobs whose output is kept, the bytes kept of each, and of each of the files that hold them; the oldest go first. */
  jobs: 64,
  outputBytes: 8 * MiB,
  segmentBytes: MiB,
  /** Bytes of output in one answer. */
  logBytes: 256 * KiB,
  /** Bytes collected for `--json`. */
  collectedBytes: 64 * MiB,
} as const;

/** Flashing boards. Milliseconds where nothing else is said. */
export const FLASH = {
  /** Bytes of a file, which as base64 fits one request, and of one in Intel HEX: the largest AVR takes half of it. */
  fileBytes: 11 * MiB,
  hexBytes: 2 * MiB,
  /** Characters of a line of a tool's that are kept, lines of its last words, and characters of them in an error. */
  line: 1_024,
  lastLines: 40,
  lastWords: 500,
  /** That a board's port may take to go after it was told to start its bootloader, and to come as the bootloader's. */
  leave: 2_000,
  bootloader: 15_000,
  /** Between two looks for it. */
  look: 50,
  /** That the port may be away while a tool writes through it; a chip that resets may take its USB port along. */
  gone: 4_000,
  /** That a tool may take, by configuration. */
  shortestTimeout: 1_000,
  longestTimeout: 3_600_000,
  /** That the answer waits for the port to be open again. */
  reopen: 3_000,
  /** Bytes written at once to the drive of a board. */
  piece: 64 * KiB,
} as const;

/** TCP connections forwarded to ports of the agent's machine. */
export const FORWARD = {
  /** Connections at once on one agent. */
  connections: 512,
  /** Milliseconds for one to be made. */
  connect: 10_000,
  /** Bytes that each side lets the other be ahead on one of them, and that wait in one before it reads no more. */
  window: MiB,
  waiting: 512 * KiB,
} as const;
