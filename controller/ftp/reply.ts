import { FTP_CLIENT, TetherError } from "../../protocol/index.ts";

/** One reply of an FTP server (RFC 959 §4.2). */
export interface Reply {
  /** Three digits. */
  readonly code: number;
  /** The lines' text, without the code where it stood before them. */
  readonly lines: readonly string[];
}

/** Turns what the server sends into replies, however it was cut. */
export class ReplyParser {
  #line = "";
  #open: { readonly code: string; readonly lines: string[] } | undefined;

  /** Gives the replies that `text` completes. Throws `limit` or `invalid` for what is no reply. */
  push(text: string): Reply[] {
    const replies: Reply[] = [];
    const parts = text.split("\n");
    for (const [index, part] of parts.entries()) {
      this.#line += part;
      if (this.#line.length > FTP_CLIENT.replyLine) {
        throw new TetherError("limit", `the server sent a line of more than ${FTP_CLIENT.replyLine} bytes`);
      }
      if (index === parts.length - 1) break;
      const reply = this.#take(this.#line.replace(/\r$/, ""));
      this.#line = "";
      if (reply !== undefined) replies.push(reply);
    }
    return replies;
  }

  #take(line: string): Reply | undefined {
    const match = /^(\d{3})([ -]|$)(.*)$/s.exec(line);
    const open = this.#open;
    if (open === undefined) {
      if (match === null)
        throw new TetherError("invalid", `no FTP server: it says ${JSON.stringify(line.slice(0, 60))}`);
      const [, code = "", mark, text = ""] = match;
      if (mark !== "-") return { code: Number(code), lines: [text] };
      this.#open = { code, lines: [text] };
      return undefined;
    }
    // RFC 959 §4.2: only the same code and a space end it; what stands between may begin with digits too.
    if (match !== null && match[1] === open.code && match[2] !== "-") {
      this.#open = undefined;
      return { code: Number(open.code), lines: [...open.lines, match[3] ?? ""] };
    }
    if (open.lines.length >= FTP_CLIENT.replyLines) {
      throw new TetherError("limit", `the server sent a reply of more than ${FTP_CLIENT.replyLines} lines`);
    }
    open.lines.push(line);
    return undefined;
  }
}

/** The error that a refusing reply stands for: the server's code and words, and what they mean here. */
export function refusal(what: string, { code, lines }: Reply): TetherError {
  const said = lines
    .filter((line) => line.trim() !== "")
    .join(" ")
    .slice(0, 300);
  return new TetherError(meaning(code), `${what}: the server says ${code} ${said}`);
}

/** RFC 959 §4.2.2. */
function meaning(code: number): TetherError["code"] {
  switch (code) {
    case 421:
      return "unreachable";
    case 425:
    case 426:
      return "unreachable";
    case 430:
    case 530:
    case 532:
      return "unauthorized";
    case 450:
      return "busy";
    case 452:
    case 552:
      return "quota";
    case 550:
      return "not-found";
    case 553:
      return "forbidden";
    default:
      return code >= 500 && code < 505 ? "invalid" : "internal";
  }
}
