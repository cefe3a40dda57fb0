/**
 * Starts Redis in the folder given as argument, prints its pid and waits for SIGTERM: a starter that a test can kill.
 */
import { openDataFolder } from '../../engines/data-folder.ts';
import { startRedis } from '../../engines/redis.ts';
import { listenForStop } from '../../engines/signals.ts';

const stop = listenForStop();
const alive = setInterval(() => {}, 1000);
const folder = await openDataFolder(process.argv[2] ?? '');
const redis = await startRedis({ folder });
console.log(redis.process?.pid);
await stop.requested;
await folder.close();
clearInterval(alive);
