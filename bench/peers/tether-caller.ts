/** `tether-caller FOLDER`: calls of the agent that the controller in FOLDER is paired with. */
import { connect } from "../../controller/index.ts";
import { serveCaller } from "./caller.ts";

async function main([folder = ""]: readonly string[]): Promise<void> {
  const client = await connect(undefined, { folder });
  await serveCaller(() => client.call("math.multiply", [6, 7]));
}

main(process.argv.slice(2));
