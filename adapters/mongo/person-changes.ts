/** Changes of persons, which others keep copies of. */

/** Makes a change of a person, so that no copy of what was before it is used after it. */
export type AroundChange = <T>(userId: string, write: () => Promise<T>) => Promise<T>;

/** Operations that change a person, whose id is their first argument. */
type Changes = Record<string, (userId: string, ...rest: never[]) => Promise<unknown>>;

/** Returns the operations so that each is made by `around`. */
export function changesAround<C extends Changes>(around: AroundChange, changes: C): C {
  const guarded = Object.entries(changes).map(([name, change]) => [
    name,
    (userId: string, ...rest: never[]) => around(userId, () => change(userId, ...rest)),
  ]);
  return Object.fromEntries(guarded) as C;
}
