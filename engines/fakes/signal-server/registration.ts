/** Registration at the fake Signal-Server, `POST /v1/registration`: its checks, in its order, and its statuses. */
import { verifySignatures } from '../../../api/signatures.ts';
import { type Answer, type Call, json } from '../http-server.ts';
import { type Account, type Accounts, type IdentityKeys, isSecretOf, saltedHash } from './accounts.ts';
import { Refused, readBody, readCredentials } from './answers.ts';
import { countOf, pniPartsOf, RegistrationBody, type SignedKey } from './bodies.ts';
import type { Limiter, LimitName } from './limiter.ts';
import { type RegistrationService, ServiceFault } from './registration-service.ts';

/** What a registration needs of the server. */
export interface RegistrationSurroundings {
  /** @throws {ServiceFault} no service is connected */
  service(): RegistrationService;
  limiter: Limiter;
  accounts: Accounts;
}

/** A registration lock is ignored when the account was not seen for this long. */
const lockMs = 7 * 86_400_000;
const requiredCapability = 'spqr';

/** Registers a number. @throws {Refused} as the server refuses it */
export async function register(surroundings: RegistrationSurroundings, call: Call): Promise<Answer> {
  const { limiter, accounts } = surroundings;
  const { user: number, password } = readCredentials(call, 400);
  const body = readBody(call, RegistrationBody);
  await requireSignatures(body);
  if (body.accountAttributes.capabilities?.[requiredCapability] !== true) throw new Refused(499);
  if (countOf(...pniPartsOf(body)) === 0) throw new Refused(422);
  consume(limiter, 'registration', number);
  await requireProof(surroundings, number, body);
  const existing = accounts.byNumber(number);
  if (existing !== undefined) requireReplaceable(limiter, existing, body);
  const { registrationLock, capabilities, recoveryPassword } = body.accountAttributes;
  const account = accounts.register({
    number,
    password: saltedHash(password),
    registrationLock: registrationLock ? saltedHash(registrationLock) : undefined,
    recoveryPassword: recoveryPassword ? Buffer.from(recoveryPassword).toString('base64') : undefined,
    canTransfer: capabilities?.transfer === true,
    seenAt: Date.now(),
    keys: {
      aci: keysOf(body.aciIdentityKey, body.aciSignedPreKey, body.aciPqLastResortPreKey),
      pni: keysOf(body.pniIdentityKey, body.pniSignedPreKey, body.pniPqLastResortPreKey),
    },
  });
  return json(200, {
    uuid: account.uuid,
    number,
    pni: account.pni,
    usernameHash: null,
    usernameLinkHandle: null,
    storageCapable: false,
    entitlements: { badges: [], backup: null },
    authCredentialSalt: null,
    reregistration: existing !== undefined,
  });
}

/** Verifies signed keys. @throws {Refused} 422 */
export async function requireSigned(
  identityKey: Uint8Array,
  keys: readonly (Pick<SignedKey, 'publicKey' | 'signature'> | null | undefined)[],
): Promise<void> {
  const signed = keys.flatMap((key, index) => (key ? [{ ...key, path: String(index) }] : []));
  const failed = await verifySignatures(identityKey, signed);
  if (failed.length > 0) throw new Refused(422);
}

async function requireSignatures(body: RegistrationBody): Promise<void> {
  await requireSigned(body.aciIdentityKey, [body.aciSignedPreKey, body.aciPqLastResortPreKey]);
  if (!body.pniIdentityKey) return;
  await requireSigned(body.pniIdentityKey, [body.pniSignedPreKey, body.pniPqLastResortPreKey]);
}

/** Asks the registration service for the session, or compares the recovery password. */
async function requireProof(
  { service, accounts }: RegistrationSurroundings,
  number: string,
  { sessionId, recoveryPassword }: RegistrationBody,
): Promise<void> {
  if (!sessionId) {
    const stored = accounts.byNumber(number)?.recoveryPassword;
    const given = Buffer.from(recoveryPassword ?? []).toString('base64');
    if (stored === undefined || stored !== given) throw new Refused(403);
    return;
  }
  const request = { sessionId: Buffer.from(sessionId, 'base64url') };
  const answer = await service()
    .call('GetSessionMetadata', request)
    .catch((err: unknown) => {
      if (!(err instanceof ServiceFault)) throw err;
      throw new Refused(err.isInvalid ? 400 : 503);
    });
  if (answer.sessionMetadata?.verified !== true) throw new Refused(401);
  if (`+${answer.sessionMetadata.e164}` !== number) throw new Refused(400);
}

/** Data transfer, then registration lock, then the code of the authenticator app. */
function requireReplaceable(limiter: Limiter, existing: Account, body: RegistrationBody): void {
  const { number, uuid, canTransfer, registrationLock, seenAt } = existing;
  if (canTransfer && body.skipDeviceTransfer !== true) throw new Refused(409);
  const remainingMs = seenAt + lockMs - Date.now();
  if (registrationLock !== undefined && remainingMs > 0) {
    const token = body.accountAttributes.registrationLock ?? '';
    if (token !== '') consume(limiter, 'pin', number);
    if (!isSecretOf(registrationLock, token)) {
      const svr2Credentials = { username: uuid, password: 'example-only-svr2' };
      throw new Refused(423, { body: { timeRemaining: remainingMs, svr2Credentials } });
    }
    limiter.clear('pin', number);
  }
  if (body.totp === undefined || body.totp === null) return;
  consume(limiter, 'checkTotp', uuid);
  // no account has a key for such codes here
  throw new Refused(441);
}

function consume(limiter: Limiter, limit: LimitName, key: string): void {
  const retryAfterSeconds = limiter.consume(limit, key);
  if (retryAfterSeconds !== undefined) throw new Refused(429, { retryAfterSeconds });
}

function keysOf(
  identityKey: Uint8Array | null | undefined,
  signedPreKey: SignedKey | null | undefined,
  pqLastResortPreKey: SignedKey | null | undefined,
): IdentityKeys {
  if (!identityKey || !signedPreKey || !pqLastResortPreKey) throw new Refused(422);
  return { identityKey, signedPreKey, pqLastResortPreKey, preKeyIds: [], pqPreKeyIds: [] };
}
