/** Loads a module that a user wrote, by its URL. The only import whose target is not known beforehand. */
export function importUserModule(url: string): Promise<{ readonly [name: string]: unknown }> {
  return import(url);
}
