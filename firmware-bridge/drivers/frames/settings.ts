/** The configuration of a board that speaks frames. */
export interface FramesSettings {
  /** Milliseconds for one answer. */
  readonly timeout: number;
}

/** What holds unless the configuration says otherwise. */
export const FRAMES_DEFAULTS: FramesSettings = { timeout: 2_000 };
