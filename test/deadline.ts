/**
 * Loaded by test/run.ts into the process of every test file: ends one that does not end by itself, and says
 * what it still holds.
 */

/** Milliseconds a test file has; less than the runner's own limit, which says less when it strikes. */
const DEADLINE = 235_000;

setTimeout(() => {
  const held = process.getActiveResourcesInfo().join(", ");
  console.error(
    `${process.argv[1]} has not ended after ${DEADLINE / 1000} s; it holds: ${held || "nothing"}`,
  );
  process.exit(1);
}, DEADLINE).unref();
