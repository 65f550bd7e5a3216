import { commonPacking, type Packed, type PackingMode } from "../../transfer/index.ts";
import type { Client } from "../client.ts";

/** How a transfer with this agent is packed; undefined where it is not, or the two have no packing in common. */
export async function packedWith(client: Client, mode: PackingMode): Promise<Packed | undefined> {
  if (mode === "off") return undefined;
  const { features } = await client.hello;
  const packing = commonPacking(features);
  return packing === undefined ? undefined : { packing, mode };
}
