/** `GET /.well-known/jwks.json`: the keys with which other servers verify access tokens. */
import type { AnswerOf } from '../../contract/operation.ts';
import type { systemOperations } from '../../contract/system.ts';
import type { ApiDeps } from '../deps.ts';

/** Returns every key whose tokens are accepted; none under HS256, whose key is a secret. */
export async function readPublicKeys({
  tokens,
}: Pick<ApiDeps, 'tokens'>): Promise<AnswerOf<typeof systemOperations.readPublicKeys>> {
  return { status: 200, body: { keys: tokens.publicKeys } };
}
