import { asTetherError, errorToRpc, type JsonValue, TetherError } from "../../protocol/index.ts";
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
import { type AnswerTypes, writeAnswer, writeAnswers, writeFault } from "./xmlrpc-answer.ts";
import { decodeXml, readCall, type XmlRpcCall } from "./xmlrpc-call.ts";

const CHARSETS = ["utf-8", "us-ascii", "iso-8859-1", "utf-16"];

/** Fault code of what is no call (Specification for Fault Code Interoperability, 2001). */
const NOT_WELL_FORMED = -32700;

/** XML-RPC by POST to `/RPC2` or `/`. */
export function createXmlRpcGateway(
  configuration: HttpConfiguration,
  surroundings: GatewaySurroundings,
): Gateway {
  return new HttpFront(configuration, surroundings, (door) => new XmlRpcService(door));
}

class XmlRpcService implements HttpService {
  readonly #door: HttpDoor;

  constructor(door: HttpDoor) {
    this.#door = door;
  }

  withoutBody(head: HttpHead): HttpAnswer | undefined {
    if (head.path !== "/RPC2" && head.path !== "/") {
      return refusal(404, new TetherError("not-found", "there is nothing here; calls go to /RPC2 by POST"));
    }
    if (head.method !== "POST") return methodNotAllowed(head.method, "POST");
    return checkType(head, "text/xml", CHARSETS);
  }

  withBody(head: HttpHead, body: Buffer): HttpAnswer | Promise<HttpAnswer> {
    let call: XmlRpcCall;
    try {
      call = readCall(decodeXml(body, head.charset));
    } catch (thrown) {
      return answered(writeFault({ code: NOT_WELL_FORMED, message: asTetherError(thrown).message }));
    }
    try {
      const result = this.#door.calls.call(call, head.scope());
      if (!(result instanceof Promise)) return answered(this.#write(call, result));
      return result.then((value) => answered(this.#write(call, value))).catch(failed);
    } catch (thrown) {
      return failed(thrown);
    }
  }

  #write(call: XmlRpcCall, result: JsonValue): string {
    const method = this.#door.calls.nameOf(call.method);
    if (method !== "system.multicall" || !Array.isArray(result)) {
      return writeAnswer(result, this.#typesOf(call, method));
    }
    const [members] = call.params;
    const types = Array.isArray(members)
      ? members.map((member) => this.#typesOf(call, memberName(member)))
      : [];
    return writeAnswers(result, types);
  }

  #typesOf({ types }: XmlRpcCall, method: string): AnswerTypes {
    const { calls, surroundings } = this.#door;
    return { types, schema: surroundings.registry.get(calls.nameOf(method))?.result ?? {} };
  }
}

function memberName(member: JsonValue): string {
  const name =
    typeof member === "object" && member !== null && "methodName" in member ? member.methodName : "";
  return typeof name === "string" ? name : "";
}

function failed(thrown: unknown): HttpAnswer {
  const error = asTetherError(thrown);
  const { code, message } = errorToRpc(error);
  const help = error.hint === undefined ? "" : ` (${error.hint})`;
  return answered(writeFault({ code, message: `${message}${help}` }));
}

function answered(body: string): HttpAnswer {
  return { status: 200, headers: { "Content-Type": "text/xml; charset=utf-8" }, body };
}
