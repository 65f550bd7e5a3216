import { isUtf8 } from "node:buffer";
import { answerCalls, TetherError, VERSION } from "../../protocol/index.ts";
import type { Gateway, GatewaySurroundings } from "./gateway.ts";
import {
  checkType,
  type HttpAnswer,
  type HttpConfiguration,
  type HttpDoor,
  HttpFront,
  type HttpHead,
  type HttpService,
  methodNotAllowed,
  refusal,
} from "./http-front.ts";
import { describingPage } from "./page.ts";

const JSON_TYPE = { "Content-Type": "application/json; charset=utf-8" };
const PAGE_HEADERS = {
  "Content-Type": "text/html; charset=utf-8",
  "Content-Security-Policy":
    "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'",
  "Referrer-Policy": "no-referrer",
};

/** JSON-RPC 2.0 by POST to `/`; `GET /` is a page for people, `GET /metrics` for Prometheus. */
export function createJsonRpcGateway(
  configuration: HttpConfiguration,
  surroundings: GatewaySurroundings,
): Gateway {
  return new HttpFront(configuration, surroundings, (door) => new JsonRpcService(door));
}

class JsonRpcService implements HttpService {
  readonly #door: HttpDoor;

  constructor(door: HttpDoor) {
    this.#door = door;
  }

  withoutBody(head: HttpHead): HttpAnswer | Promise<HttpAnswer> | undefined {
    const { method, path } = head;
    const reads = method === "GET" || method === "HEAD";
    switch (path) {
      case "/":
        if (method === "POST") return checkType(head, "application/json", ["utf-8"]);
        return reads ? this.#page(head) : methodNotAllowed(method, "GET, HEAD, POST");
      case "/metrics":
        return reads ? this.#metrics() : methodNotAllowed(method, "GET, HEAD");
      default:
        return refusal(404, new TetherError("not-found", "there is nothing here; calls go to / by POST"));
    }
  }

  withBody(head: HttpHead, body: Buffer): HttpAnswer | Promise<HttpAnswer> {
    if (!isUtf8(body)) return refusal(400, new TetherError("invalid", "the body is not UTF-8"));
    const answer = answerCalls(body.toString("utf8"), (call) => {
      // Passed over, it would let its caller believe that calling twice is safe.
      if (call.key !== undefined)
        throw new TetherError("invalid", '"key" works on the native protocol alone');
      return this.#door.calls.call(call, head.scope());
    });
    return answer instanceof Promise ? answer.then(answered) : answered(answer);
  }

  #page({ caller }: HttpHead): HttpAnswer {
    const { registry, name } = this.#door.surroundings;
    const { aliases } = this.#door.configuration;
    const body = describingPage({
      name: name(),
      version: VERSION,
      role: caller.role,
      listings: registry.list("", caller),
      aliases,
    });
    return { status: 200, headers: PAGE_HEADERS, body };
  }

  async #metrics(): Promise<HttpAnswer> {
    // Loaded when somebody asks: most agents are never watched this way.
    const { writeMetrics } = await import("./metrics.ts");
    const { body, contentType } = await writeMetrics(this.#door.surroundings);
    return { status: 200, headers: { "Content-Type": contentType }, body };
  }
}

/** JSON-RPC 2.0 wants no answer to a notification, and HTTP one without a body (RFC 9110 §15.3.5). */
function answered(answer: string | undefined): HttpAnswer {
  return answer === undefined ? { status: 204 } : { status: 200, headers: JSON_TYPE, body: answer };
}
