import type { DeviceProfile } from "../../firmware-bridge/index.ts";
import type { Role } from "../../protocol/index.ts";

/** The agent's configuration, checked: durations in milliseconds, sizes in bytes, paths absolute. */
export interface Configuration {
  readonly name: string;
  readonly tags: readonly string[];
  readonly listen: {
    readonly host: string;
    /** 0: any free one. */
    readonly port: number;
  };
  readonly discovery: { readonly broadcast: boolean; readonly port: number; readonly mdns: boolean };
  readonly files: { readonly root: string; readonly quota: number };
  readonly compute: {
    readonly workers: number;
    readonly memory: number;
    readonly procedures: string;
    readonly exec: boolean;
  };
  readonly limits: {
    readonly connections: number;
    readonly connectionsPerAddress: number;
    readonly requestBytes: number;
    readonly queuedCalls: number;
  };
  readonly devices: readonly DeviceProfile[];
  readonly gateways: readonly GatewayConfiguration[];
  readonly mqtt: MqttConfiguration | undefined;
}

/** Who may call what through a gateway or MQTT. */
export interface Gates {
  /** Procedures' names and patterns, in which `*` stands for anything. */
  readonly allow: readonly string[];
  readonly role: Role;
}

/** What every gateway has. */
export interface GatewayBase extends Gates {
  /** Other names of procedures, by which a client calls them; without a prototype. */
  readonly aliases: { readonly [alias: string]: string };
  readonly limits: {
    readonly connections: number;
    readonly connectionsPerAddress: number;
    readonly requestBytes: number;
    readonly idle: number;
  };
}

/** A listener on an address. */
export interface GatewayAddress {
  readonly host: string;
  readonly port: number;
}

/** Paths of a certificate and its key, PEM. */
export interface GatewayTls {
  readonly certificate: string;
  readonly key: string;
}

/** What a text request means. */
export interface TextRequests {
  /** The procedure that every request calls; undefined: a request names it first. */
  readonly call: string | undefined;
  readonly arguments: "words" | "text" | "json";
}

/** How text requests are told apart on a connection. */
export interface TextConnection extends TextRequests {
  readonly framing: "chunk" | "line" | "block";
  readonly greeting: string | undefined;
  readonly stop: string | undefined;
}

/** One gateway. */
export type GatewayConfiguration =
  | (GatewayBase & GatewayAddress & TextConnection & { readonly kind: "tcp" })
  | (GatewayBase & GatewayAddress & TextRequests & { readonly kind: "udp" })
  | (GatewayBase & TextConnection & { readonly kind: "unix"; readonly path: string })
  | (GatewayBase &
      GatewayAddress & {
        readonly kind: "xmlrpc" | "http";
        readonly tls: GatewayTls | undefined;
        /** Every request has to bring a token that `tetherd token` has made. */
        readonly tokens: boolean;
        /** Whose pages may call, as `https://panel.example`; no others' may. */
        readonly origins: readonly string[];
      })
  | (GatewayBase &
      GatewayAddress & {
        readonly kind: "ftp";
        readonly login: { readonly user: string; readonly passwordFile: string } | undefined;
        readonly passivePorts: { readonly from: number; readonly to: number } | undefined;
        readonly tls: GatewayTls | undefined;
      })
  | (GatewayBase & GatewayAddress & { readonly kind: "rfc2217"; readonly device: string })
  | (GatewayBase &
      GatewayAddress & { readonly kind: "serial"; readonly device: string; readonly lease: number });

/** The connection to an MQTT broker, or the embedded one. */
export interface MqttConfiguration extends Gates {
  readonly broker:
    | { readonly kind: "url"; readonly url: string }
    | { readonly kind: "embedded"; readonly host: string; readonly port: number };
  readonly username: string | undefined;
  readonly passwordFile: string | undefined;
  readonly prefix: string;
  readonly homeAssistant: { readonly prefix: string } | undefined;
}
