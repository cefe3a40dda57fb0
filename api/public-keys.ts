/** `GET /.well-known/jwks.json`: what others verify access tokens with. */
import { z } from 'zod';
import type { ApiDeps } from './deps.ts';

/** A set of public keys (RFC 7517 section 5). */
export const PublicKeys = z.object({
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
});

/** Every key whose tokens are accepted; none under HS256, whose key is a secret. */
export async function readPublicKeys({ tokens }: Pick<ApiDeps, 'tokens'>): Promise<z.output<typeof PublicKeys>> {
  return { keys: tokens.publicKeys };
}
