/** Counts primes: told `{"calls", "below"}`, it counts them so many times over and says so. */

import { setPriority } from "node:os";
import { createInterface } from "node:readline";

setPriority(10);

function countPrimes(below: number): number {
  let count = 0;
  for (let n = 2; n < below; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) {
      if (n % d === 0) {
        prime = false;
        break;
      }
    }
    if (prime) count++;
  }
  return count;
}

console.log("{}");
createInterface({ input: process.stdin }).on("line", (line) => {
  const { calls, below } = JSON.parse(line) as { calls: number; below: number };
  let sum = 0;
  for (let n = 0; n < calls; n++) sum += countPrimes(below);
  console.log(JSON.stringify({ sum }));
});
