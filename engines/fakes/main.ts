/**
 * Runs the fakes as a process until SIGTERM or SIGINT:
 * `node engines/fakes/main.ts --account-sid AC… --auth-token … [--host] [--port] [--smtp-port] [--captcha-secret]
 * [--registration-service host:port] [--registration-service-token …]`.
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { type FakesOptions, startFakes } from './fakes.ts';

const { close, ...urls } = await startFakes(readOptions());
process.stdout.write(`${JSON.stringify({ event: 'process.started', pid: process.pid, ...urls })}\n`);
await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
await close();

function readOptions(): FakesOptions {
  const { values } = parseArgs({
    options: {
      'account-sid': { type: 'string' },
      'auth-token': { type: 'string' },
      'captcha-secret': { type: 'string' },
      host: { type: 'string' },
      port: { type: 'string', default: '0' },
      'smtp-port': { type: 'string', default: '0' },
      'registration-service': { type: 'string' },
      'registration-service-token': { type: 'string' },
    },
  });
  const { 'account-sid': accountSid, 'auth-token': authToken, 'captcha-secret': captchaSecret, host } = values;
  const { 'registration-service': address, 'registration-service-token': token } = values;
  if (!accountSid || !authToken) throw new Error('--account-sid and --auth-token are required');
  return {
    port: readPort('--port', values.port),
    smtpPort: readPort('--smtp-port', values['smtp-port']),
    twilio: { accountSid, authToken },
    ...(host === undefined ? {} : { host }),
    ...(captchaSecret === undefined ? {} : { captchaSecret }),
    // a list of tokens is the one that the server accepts
    ...(address && { registrationService: { address, token: token?.split(',')[0] || undefined } }),
  };
}

function readPort(name: string, text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new Error(`${name} must be a port`);
  return port;
}
