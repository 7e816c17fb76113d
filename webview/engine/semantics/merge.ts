/** Puts tables of families together. Throws if a name is in two of them. */
export function merge<T>(families: Readonly<Record<string, Readonly<Record<string, T>>>>): Readonly<Record<string, T>> {
  const all: Record<string, T> = {};
  for (const [family, table] of Object.entries(families)) {
    for (const [name, value] of Object.entries(table)) {
      if (Object.hasOwn(all, name)) throw new Error(`${name} of ${family} is described twice`);
      all[name] = value;
    }
  }
  return all;
}
