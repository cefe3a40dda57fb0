/** Public keys and health, for operators and other servers. */
import { z } from 'zod';
import { operation } from './operation.ts';

/** Readiness: `degraded` when registrations may wait for a dependency, `unready` when no operation works. */
const Readiness = z.object({
  status: z.enum(['ready', 'degraded', 'unready']),
  dependencies: z.record(
    z.string(),
    z.object({
      status: z.enum(['up', 'down', 'off']),
      latencyMs: z.number().optional(),
      reason: z.string().optional(),
    }),
  ),
});

/** The operations on the process. */
export const systemOperations = {
  readPublicKeys: operation({
    method: 'get',
    path: '/.well-known/jwks.json',
    summary: 'Get the keys that verify access tokens (RFC 7517 section 5); empty under HS256, whose key is a secret',
    description:
      'Other servers verify access tokens with them (EdDSA). Keys that were replaced stay listed until their tokens have expired.',
    auth: 'none',
    answers: {
      200: z.object({
        keys: z.array(
          z.object({
            kty: z.literal('OKP'),
            crv: z.literal('Ed25519'),
            x: z.string(),
            kid: z.string(),
            alg: z.literal('EdDSA'),
            use: z.literal('sig'),
          }),
        ),
      }),
    },
    cacheSeconds: 300,
    failures: ['rate-limited'],
  }),
  readHealth: operation({
    method: 'get',
    path: '/health',
    summary: 'Liveness: whether the process responds',
    description: 'Asks no dependency. `version` is that of this documentation.',
    auth: 'none',
    isUnlimited: true,
    answers: { 200: z.object({ status: z.literal('ok'), service: z.literal('vyry'), version: z.string() }) },
    failures: [],
  }),
  readReadiness: operation({
    method: 'get',
    path: '/health/ready',
    summary: 'Readiness: whether the dependencies respond',
    description:
      '`degraded` means that registrations may wait for a dependency. 503 when a dependency is down without which nothing works, or is up and cannot work, such as a Redis that takes no writes; its body has the same list, with reasons.',
    auth: 'none',
    isUnlimited: true,
    answers: { 200: Readiness },
    failures: ['unavailable'],
  }),
} as const;
