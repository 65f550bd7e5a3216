/** `tether-holder LIBRARY FOLDER`: holds idle connections to the agent that the controller in FOLDER is paired with. */
import { pathToFileURL } from "node:url";
import { serveHolder } from "./holder.ts";

async function main([library = "", folder = ""]: readonly string[]): Promise<void> {
  const { connect } = (await import(
    pathToFileURL(library).href
  )) as typeof import("../../controller/index.ts");
  await serveHolder(async () => {
    const client = await connect(undefined, { folder });
    await client.hello;
    client.closed.then(() => process.exit(1));
  });
}

main(process.argv.slice(2));
