import { parseSync } from "oxc-parser";

/** One import of a module, in whichever way it is written. */
export interface ModuleImport {
  /** What stands between the quotes. */
  readonly specifier: string;
  /** True for what leaves no trace at run time: `import type`, `export type` and types as `import("…").T`. */
  readonly typeOnly: boolean;
  /** The names it takes, where they are given one by one. */
  readonly names?: readonly string[];
}

/** A module and all that it imports. */
export interface ImportingModule {
  /** Path from the top of the repository, with slashes. */
  readonly path: string;
  readonly imports: readonly ModuleImport[];
}

/**
 * Reads the imports of a TypeScript or JavaScript module: `import`, `export … from`, `import()`, `require()`
 * and the types `import("…").T`.
 *
 * Throws when the text is no module, or when what is imported is computed.
 */
export function readImports(path: string, text: string): ImportingModule {
  const parsed = parseSync(path, text);
  const [mistake] = parsed.errors;
  if (mistake !== undefined) throw new Error(`${path}: ${mistake.message}`);
  const imports: ModuleImport[] = [];
  visit(parsed.program, (node) => {
    switch (node.type) {
      case "ImportDeclaration":
        imports.push({
          specifier: literal(path, node.source),
          typeOnly: node.importKind === "type",
          ...namesOf(node.specifiers),
        });
        break;
      case "ExportNamedDeclaration":
      case "ExportAllDeclaration":
        if (node.source === null || node.source === undefined) break;
        imports.push({ specifier: literal(path, node.source), typeOnly: node.exportKind === "type" });
        break;
      case "ImportExpression":
        if (LOADS_BY_PATH.has(path)) break;
        imports.push({ specifier: literal(path, node.source), typeOnly: false });
        break;
      case "TSImportType":
        imports.push({ specifier: literal(path, node.source), typeOnly: true });
        break;
      case "CallExpression":
        if (!isNamed(node.callee, "require") || !Array.isArray(node.arguments)) break;
        imports.push({ specifier: literal(path, node.arguments[0]), typeOnly: false });
        break;
    }
  });
  return { path, imports };
}

/** The place that imports what is known only when it runs: users' own files. */
const LOADS_BY_PATH: ReadonlySet<string> = new Set(["agent/compute/worker/user-module.ts"]);

type Node = { readonly type: string } & Readonly<Record<string, unknown>>;

function visit(value: unknown, look: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const member of value) visit(member, look);
  } else if (isNode(value)) {
    look(value);
    for (const member of Object.values(value)) visit(member, look);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

function isNamed(value: unknown, name: string): boolean {
  return isNode(value) && value.type === "Identifier" && value.name === name;
}

function namesOf(specifiers: unknown): { names?: string[] } {
  if (!Array.isArray(specifiers)) return {};
  const names: string[] = [];
  for (const specifier of specifiers) {
    if (!isNode(specifier) || specifier.type !== "ImportSpecifier") return {};
    if (isNode(specifier.imported)) names.push(String(specifier.imported.name));
  }
  return { names };
}

function literal(path: string, value: unknown): string {
  if (isNode(value) && value.type === "Literal" && typeof value.value === "string") return value.value;
  throw new Error(`${path}: what is imported is computed`);
}
