/** Hosts the baseline workflow in its own process, like the product's workers. Argument: Temporal's address. */
import { fileURLToPath } from 'node:url';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';

Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: ['SIGTERM', 'SIGINT'] });
const connection = await NativeConnection.connect({ address: process.argv[2] ?? '127.0.0.1:7233' });
const worker = await Worker.create({
  connection,
  taskQueue: 'bench',
  workflowsPath: fileURLToPath(new URL('./bare-workflows.ts', import.meta.url)),
  activities: { nothing: async () => undefined },
});
console.log('ready');
await worker.run();
await connection.close();
