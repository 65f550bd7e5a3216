/** What writes a program into a board. */
export const FLASH_TOOLS = ["avrdude", "esptool", "picotool", "uf2"] as const;

/** One of them; `uf2` is the agent itself, which copies the file to the drive that the board shows. */
export type FlashToolName = (typeof FLASH_TOOLS)[number];

/**
 * What brings a board into its bootloader before the tool begins: nothing, for what the tool does by itself; a pulse
 * on DTR and RTS; the two lines as ESP boards want them; or opening the port at 1200 bits a second.
 */
export const RESETS = ["none", "pulse", "esp", "touch"] as const;

/** One of them. */
export type ResetName = (typeof RESETS)[number];

/** How a board is flashed; what is left out follows from the file, or is the tool's own default. */
export interface FlashSettings {
  readonly tool?: FlashToolName;
  /** The chip as avrdude calls it, and how it is programmed. */
  readonly part?: string;
  readonly programmer?: string;
  /** The chip as esptool calls it, and where in its memory the file goes. */
  readonly chip?: string;
  readonly address?: number;
  /** Bits a second. */
  readonly baudRate?: number;
  readonly reset?: ResetName;
  /** The port that the board has in its bootloader, where that is another one. */
  readonly bootloader?: {
    readonly vendorId?: string;
    readonly productId?: string;
    readonly serialNumber?: string;
  };
  /** Where the drive is mounted that the board shows in its bootloader. */
  readonly drive?: string;
  /** Path of the tool, where it is not among the system's programs. */
  readonly program?: string;
  /** Milliseconds that the tool may take. */
  readonly timeout: number;
}

/** How a board is flashed unless the configuration says otherwise. */
export const FLASH_DEFAULTS = { programmer: "arduino", chip: "auto", timeout: 300_000 } as const;

/** The keys that say something to one tool only. */
export const TOOL_KEYS = {
  avrdude: ["part", "programmer"],
  esptool: ["chip", "address"],
  picotool: [],
  uf2: ["drive"],
} as const satisfies { readonly [tool in FlashToolName]: readonly (keyof FlashSettings)[] };
