import { LOG, type Stream } from "../../protocol/index.ts";
import type { Log } from "../log.ts";

/**
 * Serves a stream of kind `logs`: a document `{"lines": [...]}` with what the log kept, then with
 * `{"follow": true}` one for every further line. A reader that falls behind loses lines and is told how many:
 * `{"lost": n}`.
 */
export function serveLogs(stream: Stream, log: Log): void {
  let waiting = 0;
  let lost = 0;
  let unfollow = () => {};

  const send = (document: string) => {
    stream.sendDocument(document);
    waiting = stream.isWaiting ? waiting + 1 : 0;
  };
  const sendLine = (line: string) => {
    if (waiting >= LOG.waiting) {
      lost++;
      return;
    }
    if (lost > 0) send(`{"lost":${lost}}`);
    lost = 0;
    send(`{"lines":[${line}]}`);
  };

  stream.handlers = {
    onDocument(text) {
      unfollow();
      const kept = `{"lines":[${log.kept.join(",")}]}`;
      if (wantsToFollow(text)) {
        send(kept);
        unfollow = log.follow(sendLine);
      } else {
        stream.sendDocument(kept, true);
      }
    },
    onDrain() {
      waiting = 0;
    },
    onReset: () => unfollow(),
  };
}

function wantsToFollow(text: string): boolean {
  try {
    return (JSON.parse(text) as { follow?: unknown } | null)?.follow === true;
  } catch {
    return false;
  }
}
