/**
 * What an account asks for beside a code: its PIN or its password. A code proves control of a number or a mailbox, and a
 * number can be taken over (NIST SP 800-63B-4 section 3.1.3.3, a restricted authenticator). One module decides it for
 * every operation that a code or a message opens.
 */
import type { LogIn } from '../../adapters/redis/logins.ts';
import type { Account, CredentialKind } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import type { Channel } from '../../domain/verification.ts';
import { type CredentialCheckDeps, requireCredential } from '../credentials.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { malformed } from '../parse.ts';
import { type PasswordDeps, requirePassword } from './password.ts';

/** The dependencies of asking an account for its own secret. */
export type OwnSecretDeps = CredentialCheckDeps & PasswordDeps & Pick<ApiDeps, 'policy'>;

/** The secrets that a caller gave beside a code; at most one of them. */
export interface GivenSecrets {
  pin?: string | undefined;
  password?: string | undefined;
}

/** What was proven beside the code. */
export interface OwnProof {
  /** The PIN or the password was proven. */
  isProven: boolean;
  /** The account has a PIN or a password. Without one, a code is all that it can ask for. */
  hasSecret: boolean;
}

/** Returns whether accounts ask for their own secret after a code by a channel. */
export function isAskedAfter({ config }: Pick<ApiDeps, 'config'>, channel: Channel): boolean {
  const { LOGIN_CODE_ASKS: asks } = config;
  return asks === 'always' || (asks === 'number' && channel !== 'email');
}

/**
 * Requires the PIN or password of an account after a correct code, if the account has one and is asked for it. A secret
 * that is given is compared in any case.
 *
 * @throws {Failure} registration-locked with `timeRemainingSeconds` and `asks`; credentials-wrong, rate-limited, malformed,
 *   directory-unavailable
 */
export async function requireOwnSecret(
  deps: OwnSecretDeps,
  { account, login }: { account: Account; login: LogIn },
  given: GivenSecrets,
  caller: Caller,
): Promise<OwnProof> {
  if (given.pin !== undefined && given.password !== undefined) {
    throw malformed('password', 'must not be combined with pin');
  }
  const asks = await secretsOf(deps, account);
  const hasSecret = asks.length > 0;
  const isAsked = hasSecret && !login.hadPassword && isAskedAfter(deps, login.channel);
  const isGiven = given.pin !== undefined || given.password !== undefined;
  if (isAsked && !isGiven) throw secretAsked(asks, login.expiresAt);
  if (!isGiven) return { isProven: login.hadPassword === true, hasSecret };
  await compare(deps, account, given, caller).catch((err: unknown) => {
    const isWrong = err instanceof Failure && err.code === 'credentials-wrong';
    throw isWrong && isAsked ? secretAsked(asks, login.expiresAt, `The ${nameOf(given)} is wrong`) : err;
  });
  return { isProven: true, hasSecret };
}

/** The failure that asks for a secret of the account, with the seconds left for it. */
export function secretAsked(asks: readonly CredentialKind[], until: number, message?: string): Failure {
  const names = asks.map((kind) => (kind === 'pin' ? 'PIN' : 'password')).join(' or ');
  return new Failure('registration-locked', {
    message: message ?? `This account also asks for its ${names}; send the request again with it`,
    fields: { timeRemainingSeconds: Math.max(0, Math.ceil((until - Date.now()) / 1000)), asks: [...asks] },
  });
}

function nameOf({ pin }: GivenSecrets): string {
  return pin === undefined ? 'password' : 'PIN';
}

/** Returns the secrets that an account can be asked for; the password may be that of the directory. */
async function secretsOf({ accounts, policy }: OwnSecretDeps, { userId }: Account): Promise<CredentialKind[]> {
  const { pin, password } = (await accounts.readSecrets(userId)) ?? {};
  const hasPassword =
    password !== undefined || (policy.includes('directory') && (await accounts.hasDirectoryEntry(userId)));
  return [...(pin === undefined ? [] : ['pin' as const]), ...(hasPassword ? ['password' as const] : [])];
}

async function compare(
  deps: OwnSecretDeps,
  { userId, username }: Account,
  { pin, password = '' }: GivenSecrets,
  caller: Caller,
): Promise<void> {
  if (pin !== undefined) await requireCredential(deps, { userId, kind: 'pin', secret: pin }, caller);
  else if (username === undefined)
    await requireCredential(deps, { userId, kind: 'password', secret: password }, caller);
  else await requirePassword(deps, { kind: 'username', value: username }, password, caller);
}
