import { connect } from "node:net";
import {
  CONTROL,
  decodeAnswer,
  encodeCall,
  type JsonObject,
  type JsonValue,
  TetherError,
} from "../../protocol/index.ts";
import { controlSocketPath } from "./socket-path.ts";

/**
 * Asks the running agent of a state folder.
 *
 * @throws TetherError `unreachable` when none runs there, and what the agent answers
 */
export async function askAgent(
  stateFolder: string,
  method: string,
  params: JsonObject = {},
): Promise<JsonValue> {
  const path = controlSocketPath(stateFolder);
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(path);
    socket.setEncoding("utf8");
    socket.setTimeout(CONTROL.wait, () =>
      socket.destroy(new TetherError("timeout", `the agent of ${stateFolder} does not answer`)),
    );
    socket.on("error", (error: NodeJS.ErrnoException) => reject(connectError(error, stateFolder)));
    socket.on("data", (text: string) => {
      answer += text;
    });
    socket.on("end", () => {
      if (answer === "") {
        reject(new TetherError("busy", `the agent of ${stateFolder} is too busy, or stopping`));
        return;
      }
      try {
        resolve(decodeAnswer(answer));
      } catch (error) {
        reject(error);
      }
    });
    socket.write(`${encodeCall(1, { method, params })}\n`);
  });
}

function connectError(error: NodeJS.ErrnoException, stateFolder: string): TetherError {
  if (error instanceof TetherError) return error;
  if (error.code === "EACCES") {
    return new TetherError("forbidden", `${stateFolder} belongs to another user`, {
      hint: "run this as the user that the agent runs as, for instance with sudo",
    });
  }
  return new TetherError("unreachable", `no agent runs on the state folder ${stateFolder}`, {
    hint: "start it with `tetherd run`, or name its folder with --state",
  });
}
