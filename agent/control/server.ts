import { chmod, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { answerCalls, CONTROL, TetherError } from "../../protocol/index.ts";
import type { Registry } from "../procedures/index.ts";
import { CallScope } from "../server/call-scope.ts";
import { controlSocketPath } from "./socket-path.ts";

/** Who may open a file in the state folder owns the agent. */
const OWNER = { label: "owner", role: "admin", origin: "control socket" } as const;

/**
 * The agent's own Unix socket, over which `tetherd pair` and the like reach the running agent: one JSON-RPC
 * request a connection, on one line, answered on one line. The state folder's mode keeps everybody else out.
 */
export class ControlServer {
  readonly #path: string;
  readonly #registry: Registry;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  /** `registry` holds what can be asked here, and nothing that other fronts reach. */
  constructor(stateFolder: string, registry: Registry) {
    this.#path = controlSocketPath(stateFolder);
    this.#registry = registry;
  }

  /** Listens. The state folder must be locked: a socket left by a killed agent is replaced. */
  async start(): Promise<void> {
    await rm(this.#path, { force: true });
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
    server.maxConnections = CONTROL.connections;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error) =>
        reject(
          new TetherError("internal", `cannot listen on ${this.#path}: ${error.message}`, { cause: error }),
        ),
      );
      server.listen(this.#path, resolve);
    });
    // Such as when no descriptor is left: the next command may find one.
    server.on("error", () => undefined);
    await chmod(this.#path, 0o600);
    this.#server = server;
  }

  /** Ends every connection and removes the socket. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of this.#sockets) socket.destroy();
    });
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    let request = "";
    socket.setEncoding("utf8");
    socket.setTimeout(CONTROL.wait, () => socket.destroy());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("data", (text: string) => {
      request += text;
      if (request.length > CONTROL.requestBytes) {
        socket.destroy();
        return;
      }
      const end = request.indexOf("\n");
      if (end === -1) return;
      socket.removeAllListeners("data");
      this.#answer(request.slice(0, end)).then((answer) => socket.end(`${answer ?? ""}\n`));
    });
  }

  async #answer(request: string): Promise<string | undefined> {
    return answerCalls(request, ({ method, params }) =>
      this.#registry.call(method, params, new CallScope(OWNER)),
    );
  }
}
