import { networkInterfaces } from "node:os";
import { DISCOVERY, decodeDatagram } from "../../protocol/index.ts";
import { AgentLedger, type DiscoveryEvent } from "./agent-ledger.ts";
import { Alarm } from "./alarm.ts";
import { AnnouncementListener } from "./announcement-listener.ts";
import { AskRounds } from "./ask-rounds.ts";
import { Asker } from "./asker.ts";
import { checkedPort, type SearchOptions } from "./discover.ts";
import { Questions } from "./questions.ts";

/**
 * Tells of agents as they come, change and go, until `signal` is aborted, which ends it without an error.
 *
 * One that says goodbye departs at once, one that falls silent within ten seconds. Events that are not read
 * are summed up. Throws `usage` for a port that is none.
 */
export async function* watch(options: SearchOptions = {}): AsyncGenerator<DiscoveryEvent, void, undefined> {
  const port = checkedPort(options.port);
  const ledger = new AgentLedger();
  const questions = new Questions();
  const alarm = new Alarm();
  const rounds = new AskRounds(performance.now());
  const interfaces = options.interfaces ?? networkInterfaces;
  const asker = new Asker({
    port,
    targets: options.targets ?? [],
    known: options.known ?? [],
    interfaces,
    onUnresolved: (target) => options.onEvent?.({ kind: "unresolved", target }),
    onDatagram: (bytes, source) => {
      const datagram = decodeDatagram(bytes);
      const now = performance.now();
      if (datagram?.type === "goodbye") {
        ledger.bye(datagram);
      } else if (datagram?.type === "answer") {
        const checked = questions.check(datagram, source, now);
        if ("refused" in checked) {
          options.onEvent?.({ kind: "refused", address: source, reason: checked.refused });
        } else {
          ledger.hear(checked.agent, checked.key, now);
        }
      }
      alarm.ring();
    },
  });
  const listener = new AnnouncementListener(port, interfaces, () => {
    rounds.announced();
    alarm.ring();
  });
  const onAbort = () => alarm.ring();
  options.signal?.addEventListener("abort", onAbort, { once: true });
  try {
    asker.start();
    await listener.start();
    let looked = performance.now();
    while (!options.signal?.aborted) {
      const now = performance.now();
      // A machine that slept, or a reader that took its time: silence proves nothing then.
      if (now - looked > 2 * DISCOVERY.watchInterval) ledger.forgive(now);
      looked = now;
      if (rounds.takeTurn(now, ledger)) {
        listener.refresh();
        await asker.ask(questions.next(now, ledger.heardSince(rounds.startedAt)));
      }
      ledger.expire(performance.now());
      for (const event of ledger.events()) yield event;
      if (options.signal?.aborted) break;
      const next = Math.min(rounds.nextAt, ledger.nextExpiry() ?? Number.POSITIVE_INFINITY);
      await alarm.wait(next - performance.now());
    }
  } finally {
    options.signal?.removeEventListener("abort", onAbort);
    listener.stop();
    asker.stop();
  }
}
