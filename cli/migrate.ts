/** `vyry migrate`: brings the database to what this build needs. */
import { connectMongo, readMongoPlace } from '../adapters/mongo/connect.ts';
import { migrate, readMigrations } from '../adapters/mongo/migrate.ts';
import { migrations } from '../adapters/mongo/migrations/all.ts';
import { readVariables } from '../platform/config/config.ts';
import { namesFrom } from '../platform/config/variables.ts';
import { deriveKey, keyedHash } from '../platform/crypto.ts';
import type { Command } from './command.ts';

/** The command `vyry migrate`. */
export const migration: Command = {
  positionals: [],
  about: 'Runs the migrations that the database lacks, in order. Run it before the processes of a new build start.',
  details: [
    'The processes of the previous build may run meanwhile. It may be repeated, interrupted and run twice at once: one runs',
    'them, the other waits, and the next run continues where an interrupted one stopped.',
  ].join('\n'),
  options: { list: { about: 'only list those that are missing' } },
  async run({ flags, env, show, terminal }) {
    const config = readVariables([...namesFrom('DATABASE_'), 'DATA_KEY'], env);
    const hashKey = deriveKey(config.DATA_KEY, 'identity');
    await using database = connectMongo(readMongoPlace(config), () => undefined);
    if (flags.has('list')) {
      const { pending } = await readMigrations(database.connection);
      const lines = migrations.filter(({ id }) => pending.includes(id)).map(({ id, about }) => `${id}: ${about}`);
      return show({ json: { pending }, text: lines.join('\n') || 'The database has every migration.' });
    }
    const done = await migrate(database.connection, {
      hashOf: (kind, value) => keyedHash(hashKey, kind, value),
      waiting: () => terminal.errors.write('Another process runs them; waiting for it …\n'),
      tell: ({ migration: { id, about }, state }) => {
        if (state === 'begun') terminal.errors.write(`${id}: ${about} …\n`);
      },
    });
    show({
      json: { done },
      text: done.length === 0 ? 'The database has every migration.' : 'The database is migrated.',
    });
  },
};
