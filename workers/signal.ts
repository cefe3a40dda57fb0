// @permissions net, addons, files
/** The role `signal`: hosts the activities that register people at a Signal-Server. Only this role has its address. */
import { createSignalActivities } from '../activities/signal.ts';
import { connectSignalServer, trustAlso } from '../adapters/http/signal-server.ts';
import { createSignalSteps } from '../adapters/redis/signal-steps.ts';
import { type Config, readConfig } from '../platform/config/config.ts';
import { runWorker, type WorkerParts, type WorkerTools } from './host.ts';

async function build(config: Config<'signal'>, { events, redis }: WorkerTools): Promise<WorkerParts> {
  const { SIGNAL_SERVER_URL: baseUrl, SIGNAL_SERVER_TIMEOUT: timeoutMs, SIGNAL_SERVER_CA: ca } = config;
  if (ca !== undefined) trustAlso(ca);
  const signalServer = connectSignalServer({ baseUrl, timeoutMs });
  const signalSteps = createSignalSteps(redis, { requests: config.KEYS.box('secret-signal') });
  return {
    options: {
      activities: createSignalActivities({ signalServer, signalSteps, events }),
    },
    startReads: [],
    checks: [{ name: 'signal-server', check: () => signalServer.ping() }],
    close: async () => undefined,
  };
}

if (import.meta.main) {
  const config = readConfig('signal');
  await runWorker('signal', config, (tools) => build(config, tools));
}
