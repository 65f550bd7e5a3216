/** `tether-caller LIBRARY FOLDER`: calls of the agent that the controller in FOLDER is paired with. */
import { pathToFileURL } from "node:url";
import { serveCaller } from "./caller.ts";

async function main([library = "", folder = ""]: readonly string[]): Promise<void> {
  const { connect } = (await import(
    pathToFileURL(library).href
  )) as typeof import("../../controller/index.ts");
  const client = await connect(undefined, { folder });
  await serveCaller(() => client.call("math.multiply", [6, 7]));
}

main(process.argv.slice(2));
