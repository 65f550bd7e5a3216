import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { networkInterfaces } from "node:os";
import { DiscoveryResponder, type ResponderOptions } from "../../agent/discovery/index.ts";
import { agentIdOf, fingerprintOf } from "../../protocol/index.ts";

/** The loopback interface alone: a test asks nobody on the machine's own network. */
export function loopbackOnly(): ReturnType<typeof networkInterfaces> {
  const own = Object.entries(networkInterfaces());
  return Object.fromEntries(own.filter(([, infos]) => infos?.some((info) => info.internal)));
}

/** A new key and the id that follows from it. */
export function newIdentity(): ResponderOptions["identity"] {
  const keys = generateKeyPairSync("ed25519");
  return { ...keys, id: agentIdOf(fingerprintOf(keys.publicKey)) };
}

/** A new instance. */
export function newInstance(): string {
  return randomBytes(8).toString("hex");
}

/** An agent on loopback that answers nothing but discovery, not yet started. */
export function testAgent(options: Partial<ResponderOptions> = {}): DiscoveryResponder {
  return new DiscoveryResponder({
    port: 0,
    identity: newIdentity(),
    name: "greenhouse",
    tags: ["lab"],
    version: "0.1.0",
    instance: newInstance(),
    servicePort: () => 7415,
    interfaces: loopbackOnly,
    log: () => {},
    now: () => performance.now(),
    ...options,
  });
}

/** A UDP socket on loopback; `onMessage` takes what comes. */
export async function udpSocket(onMessage: (bytes: Buffer, from: RemoteInfo) => void): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.on("message", onMessage);
  return socket;
}

/** Resolves when the condition holds; rejects after ten seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
