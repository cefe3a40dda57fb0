/** The baseline of a session check: Express with one read of Redis and nothing else. Prints its port. */
import express from 'express';
import { Redis } from 'ioredis';

const [redisUrl = '', key = ''] = process.argv.slice(2);
const redis = new Redis(redisUrl);
const app = express();
app.disable('x-powered-by');
app.set('etag', false);
app.get('/', async (_req, res) => {
  res.json(await redis.hgetall(key));
});
const server = app.listen(0, '127.0.0.1', () => console.log((server.address() as { port: number }).port));
process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  redis.disconnect();
});
