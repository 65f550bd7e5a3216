/** Prints the Debian packages of every peer, for whoever installs them all. */
import { allPeers, packagesOf } from "./peers.ts";

console.log(packagesOf(allPeers()).join(" "));
