import { type ChildProcess, execFile, execFileSync, type SpawnOptions, spawn } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);
let labs = 0;

/** A host of the lab: a network namespace of its own. */
export interface LabHost {
  readonly namespace: string;
  /** IPv4 address on each of its networks, in the order they were named. */
  readonly addresses: readonly string[];
  /** Runs a command there to its end and gives what it wrote; rejects unless it exits with 0. */
  exec(command: readonly string[]): Promise<string>;
  /** Starts a command there; `pid` is the command's own. It is killed when the lab is disposed of. */
  spawn(command: readonly string[], options?: SpawnOptions): ChildProcess;
}

/** Hosts joined by bridges, apart from the machine's own network. */
export interface Lab {
  host(name: string): LabHost;
  /**
   * Loses this share of what crosses a bridge, to a tenth of a percent: of UDP datagrams, or of all frames, ARP and
   * neighbour discovery included.
   */
  loss(percent: number, of?: "datagrams" | "frames"): Promise<void>;
  /** Lets every host receive no more than so many Mbit/s, in frames as a wire has them. Connections made later obey. */
  rate(megabits: number): Promise<void>;
  /** Kills what was spawned and removes every namespace. */
  dispose(): Promise<void>;
}

/**
 * Builds hosts and the networks that they are on: `{ laptop: ["red", "blue"], pi: ["red"] }`. Takes the peer `netns`.
 *
 * The first network is 10.77.1.0/24, the next 10.77.2.0/24; each host has the interfaces eth0, eth1 in the order
 * of its networks, with IPv4 and an IPv6 link-local address, which are usable at once.
 */
export async function createLab(plan: Readonly<Record<string, readonly string[]>>): Promise<Lab> {
  const prefix = `lab${process.pid}-${labs++}`;
  const bridges = `${prefix}-bridges`;
  const namespaces = [bridges, ...Object.keys(plan).map((name) => `${prefix}-${name}`)];
  const networks = [...new Set(Object.values(plan).flat())];
  const children = new Set<ChildProcess>();
  // A test run that dies leaves no namespaces behind.
  const sweep = () => {
    for (const namespace of namespaces) {
      try {
        execFileSync("ip", ["netns", "del", namespace], { stdio: "ignore" });
      } catch {
        // It was never made, or is gone.
      }
    }
  };
  process.once("exit", sweep);
  const dispose = async () => {
    const ends = [...children].map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const end = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      await end;
    });
    await Promise.all(ends);
    sweep();
    process.removeListener("exit", sweep);
  };
  try {
    for (const namespace of namespaces) await ip("netns", "add", namespace);
    await batch(bridges, [
      "link set lo up",
      ...networks.map((_, n) => `link add br${n} type bridge mcast_snooping 0`),
    ]);
    await batch(
      bridges,
      networks.map((_, n) => `link set br${n} up`),
    );
    const hosts = new Map<string, LabHost>();
    for (const [h, [name, joined]] of Object.entries(plan).entries()) {
      const namespace = `${prefix}-${name}`;
      await noDuplicateAddressDetection(namespace);
      const addresses = joined.map((network) => `10.77.${networks.indexOf(network) + 1}.${h + 1}`);
      const commands = joined.flatMap((_, i) => [
        `link add eth${i} type veth peer name p${h}-${i} netns ${bridges}`,
        `addr add ${addresses[i]}/24 brd + dev eth${i}`,
        `link set eth${i} up`,
      ]);
      await batch(namespace, ["link set lo up", ...commands]);
      await batch(
        bridges,
        joined.map((network, i) => `link set p${h}-${i} master br${networks.indexOf(network)} up`),
      );
      hosts.set(name, labHost(namespace, addresses, children));
    }
    return {
      host: (name) => {
        const host = hosts.get(name);
        if (!host) throw new Error(`the lab has no host ${name}`);
        return host;
      },
      loss: (percent, of = "datagrams") => loseOn(bridges, percent, of),
      rate: async (megabits) => {
        for (const [h, [name, joined]] of Object.entries(plan).entries()) {
          for (const i of joined.keys()) {
            // One packet is one frame, else a whole burst is lost at once.
            await batch(`${prefix}-${name}`, [`link set eth${i} gso_max_segs 1`]);
            const shape = ["rate", `${megabits}mbit`, "burst", "32kb", "latency", "50ms"];
            await ip(
              "netns",
              "exec",
              bridges,
              "tc",
              "qdisc",
              "replace",
              "dev",
              `p${h}-${i}`,
              "root",
              "tbf",
              ...shape,
            );
          }
        }
      },
      dispose,
    };
  } catch (thrown) {
    await dispose();
    throw thrown;
  }
}

function labHost(namespace: string, addresses: readonly string[], children: Set<ChildProcess>): LabHost {
  const inside = (command: readonly string[]) => ["netns", "exec", namespace, ...command];
  return {
    namespace,
    addresses,
    exec: async (command) => (await run("ip", inside(command))).stdout,
    spawn: (command, options = {}) => {
      const child = spawn("ip", inside(command), options);
      children.add(child);
      child.once("exit", () => children.delete(child));
      return child;
    },
  };
}

async function loseOn(namespace: string, percent: number, of: "datagrams" | "frames"): Promise<void> {
  const match = of === "datagrams" ? "meta l4proto udp" : "";
  const rules =
    percent === 0
      ? "table bridge loss\ndelete table bridge loss\n"
      : `table bridge loss\ndelete table bridge loss\ntable bridge loss {
           chain forward {
             type filter hook forward priority 0;
             ${match} numgen random mod 1000 < ${Math.round(10 * percent)} drop;
           }
         }\n`;
  const nft = run("ip", ["netns", "exec", namespace, "nft", "-f", "-"]);
  nft.child.stdin?.end(rules);
  await nft;
}

/** RFC 4862 §5.4 would keep a link-local address unusable for a second or two. */
async function noDuplicateAddressDetection(namespace: string): Promise<void> {
  await ip("netns", "exec", namespace, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0");
}

async function batch(namespace: string, commands: readonly string[]): Promise<void> {
  const done = run("ip", ["-n", namespace, "-batch", "-"]);
  done.child.stdin?.end(`${commands.join("\n")}\n`);
  await done;
}

async function ip(...args: string[]): Promise<void> {
  await run("ip", args);
}
