/** `tether-holder FOLDER`: holds idle connections to the agent that the controller in FOLDER is paired with. */
import { connect } from "../../controller/index.ts";
import { serveHolder } from "./holder.ts";

async function main([folder = ""]: readonly string[]): Promise<void> {
  await serveHolder(async () => {
    const client = await connect(undefined, { folder });
    await client.hello;
    client.closed.then(() => process.exit(1));
  });
}

main(process.argv.slice(2));
