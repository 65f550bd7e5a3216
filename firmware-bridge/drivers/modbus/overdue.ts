import { MODBUS } from "../../../protocol/limits.ts";
import type { ModbusRequest } from "./pdu.ts";

type Question = Pick<ModbusRequest<unknown>, "unitId" | "pdu">;

/** Answers that have not come and might yet, by unit and function: what an answer says of its question. */
export class OverdueAnswers {
  readonly #since = new Map<number, number>();

  /** A question has gone out, or may have, and its answer has not come. */
  add(question: Question): void {
    this.#since.set(keyOf(question), performance.now());
  }

  /** Its answer has come after all. */
  delete(question: Question): void {
    this.#since.delete(keyOf(question));
  }

  /** Whatever was on its way from a unit has come. */
  forget(unitId: number): void {
    for (const key of this.#since.keys()) if (key >> 8 === unitId) this.#since.delete(key);
  }

  /** True when an answer could be taken for this question's that is another's. */
  threatens(question: Question): boolean {
    const since = this.#since.get(keyOf(question));
    if (since === undefined) return false;
    if (performance.now() - since < MODBUS.overdue) return true;
    this.delete(question);
    return false;
  }
}

function keyOf({ unitId, pdu }: Question): number {
  return (unitId << 8) | (pdu[0] ?? 0);
}
