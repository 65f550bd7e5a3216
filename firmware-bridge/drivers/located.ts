import { asTetherError, TetherError } from "../../protocol/errors.ts";

/** Does `make`; what it throws says `where` in the profile the mistake is. */
export function located<T>(where: string, make: () => T): T {
  try {
    return make();
  } catch (thrown) {
    const error = asTetherError(thrown);
    throw new TetherError(error.code, `${where}: ${error.message}`, { hint: error.hint, cause: thrown });
  }
}
