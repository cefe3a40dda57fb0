/** Finds the account that an operator names, and shows it. */
import { parseEmailAddress } from '../adapters/email-addresses.ts';
import { parsePhoneNumber, startsAsPhoneNumber } from '../adapters/phone-numbers.ts';
import { type Account, type Identifier, isUserId } from '../domain/account.ts';
import { identifierOf } from '../domain/identifiers.ts';
import { maskEmail, maskPhone } from '../domain/identity.ts';
import { table, UsageError } from './command.ts';
import type { UserAccess } from './connections.ts';

/** Help about the argument `<user>`. */
export const whoIsRead =
  '<user> is a user id, the id of a directory entry, an e-mail address, a number with country code or a user name, and is looked up as nothing else.';

const kinds = { username: 'user name', phone: 'number', email: 'e-mail address' } as const;

/**
 * Returns the account that an operator names.
 *
 * @throws {UsageError} the text is none of these
 * @throws {Error} there is no such account
 */
export async function findAccount(users: Pick<UserAccess, 'accounts'>, given = ''): Promise<Account> {
  const account = await findAccountBy(users, given);
  if (account !== undefined) return account;
  const identifier = readUser(given);
  throw new Error(
    `There is no account with this ${identifier === undefined ? 'user id or id of a directory entry' : kinds[identifier.kind]}.`,
  );
}

/** As `findAccount`; undefined if there is no such account. @throws {UsageError} the text is none of these */
export async function findAccountBy(
  { accounts }: Pick<UserAccess, 'accounts'>,
  given: string,
): Promise<Account | undefined> {
  const identifier = readUser(given);
  return identifier === undefined ? await findById(accounts, given) : await accounts.findBy(identifier);
}

/**
 * Returns what names a user; undefined for an id.
 *
 * @param argument the name of the argument, for the error
 * @throws {UsageError} the text is neither
 */
export function readUser(given: string, argument = 'user'): Identifier | undefined {
  if (isUserId(given)) return undefined;
  const identifier = identifierOf(given, { parseEmailAddress, parsePhoneNumber, startsAsPhoneNumber });
  if (identifier !== undefined) return identifier;
  throw new UsageError(`<${argument}> must be a user id, an e-mail address, a number with country code or a user name`);
}

async function findById(accounts: UserAccess['accounts'], id: string): Promise<Account | undefined> {
  const own = await accounts.read(id);
  const linked = own === undefined ? await accounts.findByDirectoryId(id) : undefined;
  // an account of an earlier version, whose person was renamed since, is found by the directory sync from then on
  if (linked !== undefined) await accounts.learnDirectoryEntry(linked.userId, id);
  return own ?? linked;
}

/** Returns what is shown as lines of text. */
export function textOf(seen: Record<string, unknown>): string {
  return table(Object.entries(seen).map(([name, value]) => [name, printable(String(value))]));
}

/** Returns a stored text without control and format characters, which must not reach the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '?');
}

/** Returns the fields of an account for operators. Phone numbers and e-mail addresses are masked. */
export function accountViewOf(account: Account): Record<string, unknown> {
  const { userId, username, fullName, email, phone, roles, createdAt, disabledAt } = account;
  return {
    userId,
    ...(username && { username }),
    ...(fullName && { fullName }),
    ...(phone && { phone: maskPhone(phone) }),
    ...(email && { email: maskEmail(email) }),
    roles: roles.join(', '),
    createdAt: createdAt.toISOString(),
    disabled: disabledAt === undefined ? 'no' : `since ${disabledAt.toISOString()}`,
  };
}
