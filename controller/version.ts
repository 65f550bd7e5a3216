import { VERSION } from "../protocol/index.ts";

/** What this side calls itself on the wire. */
export const SOFTWARE = `tether ${VERSION}`;
