import type { JsonObject, JsonValue, Role } from "../../protocol/index.ts";
import type { Listing } from "../procedures/index.ts";

/** What the page tells of. */
export interface PageFacts {
  readonly name: string;
  readonly version: string;
  readonly role: Role;
  readonly listings: readonly Listing[];
  readonly aliases: { readonly [alias: string]: string };
}

const STYLE = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8884}
code,pre{font:14px/1.5 ui-monospace,monospace}
pre{padding:.8rem;background:#8882;overflow-x:auto}`;

/** A page that says what this gateway is and what can be called over it. */
export function describingPage({ name, version, role, listings, aliases }: PageFacts): string {
  const title = `${name}: JSON-RPC`;
  const example = `curl -H 'Content-Type: application/json' \\
  -d '{"jsonrpc": "2.0", "id": 1, "method": "math.multiply", "params": [6, 7]}' URL`;
  const others = Object.entries(aliases).filter(([, target]) => listings.some((one) => one.name === target));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeHtml(name)}</h1>
<p>This is a Tether agent (${escapeHtml(version)}). Programs call its procedures by JSON-RPC 2.0, by POST to this address:</p>
<pre>${escapeHtml(example)}</pre>
<p>Calls over it have the role ${role}. <code>rpc.discover</code> gives the same list for programs, <a href="/metrics">/metrics</a> figures for Prometheus.</p>
<table>
<thead><tr><th>Procedure</th><th>Needs</th><th>What it does</th></tr></thead>
<tbody>
${listings.map(row).join("\n")}
</tbody>
</table>
${others.length === 0 ? "" : `<p>Other names: ${others.map(alias).join(", ")}.</p>`}
</body>
</html>
`;
}

/** Text as the content of an element or an attribute in quotes (HTML, §13.1.2). */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function row({ name, summary, role, parameters }: Listing): string {
  const words = Object.entries(parameters.properties as JsonObject).map(([parameter, schema]) =>
    isVariadic(schema) ? `[${parameter}…]` : parameter,
  );
  const usage = [name, ...words].join(" ");
  return `<tr><td><code>${escapeHtml(usage)}</code></td><td>${role}</td><td>${escapeHtml(summary)}</td></tr>`;
}

function isVariadic(schema: JsonValue): boolean {
  return typeof schema === "object" && schema !== null && "variadic" in schema;
}

function alias([name, target]: [string, string]): string {
  return `<code>${escapeHtml(name)}</code> for <code>${escapeHtml(target)}</code>`;
}
