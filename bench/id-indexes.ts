/** The index by `_id` that MongoDB has and FerretDB lacks. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/**
 * Gives every collection of a system on FerretDB an index that its queries use. Its own unique index is of the expression
 * `->"_id"`, its queries are by `->'$._id'` (version 1.24), so that each of them reads the whole collection. Returns
 * whether it is FerretDB.
 *
 * @param folder the data folder of the system
 */
export function indexIds(folder: string): boolean {
  const file = join(folder, 'mongo', 'vyry.sqlite');
  if (!existsSync(file)) return false;
  const database = new DatabaseSync(file, { timeout: 10_000 });
  const tables = database.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
  );
  for (const { name } of tables.all())
    database.exec(`CREATE INDEX IF NOT EXISTS "${name}_bench" ON "${name}" (_ferretdb_sjson->'$._id')`);
  database.close();
  return true;
}
