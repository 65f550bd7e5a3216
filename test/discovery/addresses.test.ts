import assert from "node:assert/strict";
import type { NetworkInterfaceInfo } from "node:os";
import { test } from "node:test";
import { answerAddresses } from "../../agent/discovery/answer-addresses.ts";
import { reachableAddress } from "../../controller/discovery/found-agent.ts";
import {
  type Answer,
  addressFromBytes,
  addressToBytes,
  broadcastAddress,
  inSameNetwork,
} from "../../protocol/index.ts";

test("addresses are written as RFC 5952 asks", () => {
  const table: [string, string][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["::", "::"],
    ["::1", "::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0db8::0001:0", "2001:db8::1:0"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["fe80::ABCD%eth0", "fe80::abcd"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ];
  for (const [text, expected] of table) {
    const bytes = addressToBytes(text);
    assert.equal(bytes && addressFromBytes(bytes), expected, text);
  }
  for (const text of ["", "1.2.3", "host", "1::2::3", "12345::"])
    assert.equal(addressToBytes(text), undefined);
});

test("a network's own broadcast address follows from its mask, a /16's too", () => {
  assert.equal(broadcastAddress("192.168.1.5", "255.255.255.0"), "192.168.1.255");
  assert.equal(broadcastAddress("172.20.3.9", "255.255.0.0"), "172.20.255.255");
  assert.equal(broadcastAddress("10.0.0.1", "255.255.255.252"), "10.0.0.3");
  assert.equal(broadcastAddress("10.0.0.1", "255.255.255.254"), undefined);
  assert.equal(broadcastAddress("10.0.0.1", "255.255.255.255"), undefined);
  assert.equal(broadcastAddress("fe80::1", "ffff::"), undefined);
  assert.ok(inSameNetwork("fd00::1", "fd00::2:1", "ffff:ffff:ffff:ffff::"));
  assert.ok(!inSameNetwork("10.1.0.1", "10.2.0.1", "255.255.0.0"));
});

const v4 = (address: string, netmask = "255.255.255.0", internal = false): NetworkInterfaceInfo => ({
  address,
  netmask,
  internal,
  family: "IPv4",
  mac: "",
  cidr: null,
});
const v6 = (address: string, scopeid: number, internal = false): NetworkInterfaceInfo => ({
  address,
  netmask: "ffff:ffff:ffff:ffff::",
  internal,
  scopeid,
  family: "IPv6",
  mac: "",
  cidr: null,
});

test("an agent names the addresses that the asker can reach, the nearest first", () => {
  const interfaces = {
    lo: [v4("127.0.0.1", "255.0.0.0", true), v6("::1", 0, true)],
    docker0: [v4("172.17.0.1", "255.255.0.0")],
    eth0: [v4("10.0.0.5"), v6("fd00::5", 0), v6("fe80::5", 2)],
    wlan0: [v4("192.168.1.5"), v6("fe80::6", 3)],
  };
  const of = (asker: string, host = "::") => answerAddresses(interfaces, asker, host).join(" ");
  assert.equal(of("192.168.1.77"), "192.168.1.5 172.17.0.1 10.0.0.5 fd00::5");
  assert.equal(of("fe80::99%wlan0"), "fe80::6 172.17.0.1 10.0.0.5 fd00::5 192.168.1.5");
  assert.equal(of("fd00::99"), "fd00::5 172.17.0.1 10.0.0.5 192.168.1.5");
  assert.equal(of("127.0.0.1"), "127.0.0.1 ::1 172.17.0.1 10.0.0.5 fd00::5 192.168.1.5");
  assert.equal(of("10.0.0.5"), "127.0.0.1 ::1 10.0.0.5 172.17.0.1 fd00::5 192.168.1.5");
  assert.equal(of("192.168.1.77", "0.0.0.0"), "192.168.1.5 172.17.0.1 10.0.0.5");
  assert.equal(of("192.168.1.77", "10.0.0.5"), "10.0.0.5");
  assert.equal(of("192.168.1.77", "127.0.0.1"), "");
  assert.equal(of("127.0.0.1", "127.0.0.1"), "127.0.0.1");
});

test("a controller takes the signed address that the answer came from, else the first that means anything", () => {
  const of = (addresses: string[], source: string) =>
    reachableAddress({ addresses } as unknown as Answer, source);
  assert.equal(of(["10.0.0.5", "192.168.1.5"], "192.168.1.5"), "192.168.1.5");
  assert.equal(of(["10.0.0.5", "192.168.1.5"], "192.168.1.9"), "10.0.0.5");
  assert.equal(of(["10.0.0.5", "fe80::6"], "fe80::6%wlan0"), "fe80::6%wlan0");
  assert.equal(of(["fe80::6", "10.0.0.5"], "192.168.1.9"), "10.0.0.5");
  assert.equal(of(["127.0.0.1", "10.0.0.5"], "10.0.0.5"), "10.0.0.5");
  assert.equal(of(["127.0.0.1"], "10.0.0.5"), undefined);
  assert.equal(of(["127.0.0.1"], "127.0.0.1"), "127.0.0.1");
  assert.equal(of([], "10.0.0.5"), undefined);
});
