import * as nodeModule from "node:module";

/** What `import … from "tether/procedure"` gives in a process of procedures. */
const PROCEDURE_MODULE = "export function procedure(definition) { return definition; }";

/** Node's hooks for modules (`module.registerHooks`), as far as they are used here. */
interface Hooks {
  resolve(specifier: string, context: object, next: (specifier: string, context: object) => object): object;
  load(url: string, context: object, next: (url: string, context: object) => object): object;
}

/**
 * Makes `import` find "tether/procedure" from wherever a file lies, and read the files of procedures as the
 * agent has them: a file that was broken since stays what it was.
 *
 * @param sources the text of each file, by its URL
 */
export function installModuleHooks(sources: Readonly<Record<string, string>>): void {
  // From Node 22.15 on; before it, hooks run on a thread of their own, and get what they need as a message.
  const { registerHooks } = nodeModule as { registerHooks?: (hooks: Hooks) => void };
  if (registerHooks !== undefined) registerHooks(makeHooks(sources, PROCEDURE_MODULE));
  else {
    const text = `
      let hooks;
      export function initialize({ sources, module }) { hooks = (${makeHooks})(sources, module); }
      export const resolve = (...given) => hooks.resolve(...given);
      export const load = (...given) => hooks.load(...given);`;
    nodeModule.register(`data:text/javascript,${encodeURIComponent(text)}`, {
      parentURL: "file:///",
      data: { sources, module: PROCEDURE_MODULE },
    });
  }
}

/** Uses nothing from outside itself: its text becomes a module of its own. */
function makeHooks(sources: Readonly<Record<string, string>>, module: string): Hooks {
  const url = `data:text/javascript,${encodeURIComponent(module)}`;
  return {
    resolve(specifier, context, next) {
      if (specifier === "tether/procedure") return { url, shortCircuit: true };
      return next(specifier, context);
    },
    load(asked, context, next) {
      if (!Object.hasOwn(sources, asked)) return next(asked, context);
      return { format: "module", source: sources[asked], shortCircuit: true };
    },
  };
}
