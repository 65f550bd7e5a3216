import { Counter, Gauge, Registry } from "prom-client";
import { VERSION } from "../../protocol/index.ts";
import type { GatewayFacts, GatewaySurroundings } from "./gateway.ts";

/** Figures of the agent in the text format of Prometheus, read when they are asked for. */
export async function writeMetrics(
  surroundings: GatewaySurroundings,
): Promise<{ readonly body: string; readonly contentType: string }> {
  const registry = new Registry();
  const gauge = <T extends string>(name: string, help: string, ...labelNames: T[]) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  const counter = <T extends string>(name: string, help: string, ...labelNames: T[]) =>
    new Counter({ name, help, labelNames, registers: [registry] });

  const { devices, controllers, sessions } = surroundings.overview();
  const { user, system } = process.cpuUsage();
  gauge("tether_info", "The agent's version; always 1.", "name", "version").set(
    { name: surroundings.name(), version: VERSION },
    1,
  );
  gauge("process_start_time_seconds", "When the agent started, in seconds since 1970.").set(
    Date.now() / 1000 - process.uptime(),
  );
  counter("process_cpu_seconds_total", "Processor time of the agent, user and system.").inc(
    (user + system) / 1e6,
  );
  gauge("process_resident_memory_bytes", "Memory that the agent holds.").set(process.memoryUsage.rss());
  gauge("tether_calls_running", "Calls that wait or run, from everywhere.").set(surroundings.calls.running);
  gauge("tether_controllers", "Paired controllers.").set(controllers);
  gauge("tether_sessions", "Open sessions of paired controllers.").set(sessions);

  const byState = gauge("tether_devices", "Devices by their state.", "state");
  for (const state of devices) byState.inc({ state });

  const connections = gauge("tether_gateway_connections", "Open connections.", "kind", "address");
  const calls = counter("tether_gateway_calls_total", "Calls that came over a gateway.", "kind", "address");
  const errors = counter("tether_gateway_errors_total", "Those that failed.", "kind", "address", "code");
  for (const { facts, counts } of surroundings.gateways()) {
    const where = { kind: facts.kind, address: placeOf(facts) };
    connections.set(where, counts.connections);
    calls.inc(where, counts.calls);
    for (const [code, count] of counts.errors) errors.inc({ ...where, code }, count);
  }
  return { body: await registry.metrics(), contentType: registry.contentType };
}

function placeOf(facts: GatewayFacts): string {
  return "path" in facts ? facts.path : `${facts.address}:${facts.port}`;
}
