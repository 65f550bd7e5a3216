import { setFlagsFromString } from "node:v8";

/**
 * Imported before all else: keeps V8's young generation as small as it begins.
 *
 * What comes off the wire lies in buffers outside of the heap, for which V8 collects the young generation while that
 * is small; once it has grown, as it does while a large program loads, each time the whole heap: a put of 1 GiB took a
 * quarter longer. A small one is also memory that a Pi has for others.
 */
setFlagsFromString("--semi-space-growth-factor=1");
