/** `vyry keys`: generates keys for the configuration. */
import { randomBytes } from 'node:crypto';
import { newVapidPrivateKey, vapidPublicKey } from '../adapters/http/webpush.ts';
import type { Command } from './command.ts';

const create: Command = {
  positionals: [],
  about: 'Prints a new key of 32 bytes in base64, for JWT_KEYS, PAYLOAD_KEY or AUDIT_KEY. The key is not stored.',
  options: {},
  async run({ show }) {
    const key = randomBytes(32).toString('base64');
    show({ json: { key }, text: key });
  },
};

const vapid: Command = {
  positionals: [],
  about: 'Prints a new key pair for WebPush: VAPID_PRIVATE_KEY and VAPID_PUBLIC_KEY. It is not stored.',
  options: {},
  async run({ show }) {
    const privateKey = newVapidPrivateKey();
    const publicKey = vapidPublicKey(privateKey);
    show({ json: { privateKey, publicKey }, text: `VAPID_PRIVATE_KEY=${privateKey}\nVAPID_PUBLIC_KEY=${publicKey}` });
  },
};

/** The commands of `vyry keys`. */
export const keys: Record<string, Command> = { new: create, vapid };
