/**
 * What the begin of a session and each refresh need of a person: the account and the names of the devices. They are kept in
 * Redis, because they are asked for often and change seldom (adapters/redis/account-facts.ts).
 */
import type { Account } from '../domain/account.ts';
import type { StoredDevice } from '../domain/device.ts';
import type { ApiDeps } from './deps.ts';

/** The dependencies of reading the facts of a person. */
export interface PersonFactsDeps extends Pick<ApiDeps, 'accountFacts' | 'accounts'> {
  devices: Pick<ApiDeps['devices'], 'read'>;
}

/** A device that is not being removed. */
type FactsOfDevice = Pick<StoredDevice, 'deviceId' | 'name'>;

/** The facts of a person. */
export interface PersonFacts {
  account: Account;
  devices: FactsOfDevice[];
}

/** The facts as JSON has them. */
export interface KeptFacts {
  account: Omit<Account, DateField> & Partial<Record<DateField, string>>;
  devices: FactsOfDevice[];
}

type DateField = { [F in keyof Account]-?: NonNullable<Account[F]> extends Date ? F : never }[keyof Account];

const dateFields: Record<DateField, true> = {
  createdAt: true,
  disabledAt: true,
  deletionAt: true,
  phoneChangedAt: true,
};

/** Returns what MongoDB has of a person now; undefined without an account. */
export async function readPersonFacts(deps: PersonFactsDeps, userId: string): Promise<PersonFacts | undefined> {
  const kept = await deps.accountFacts.read(userId, () => loadFacts(deps, userId));
  return kept && { ...kept, account: accountOf(kept.account) };
}

async function loadFacts({ accounts, devices }: PersonFactsDeps, userId: string): Promise<KeptFacts | undefined> {
  const [account, set] = await Promise.all([accounts.read(userId), devices.read(userId)]);
  if (account === undefined) return undefined;
  const named = set?.devices.map(({ deviceId, name }) => ({ deviceId, name })) ?? [];
  return { account: JSON.parse(JSON.stringify(account)) as KeptFacts['account'], devices: named };
}

function accountOf(kept: KeptFacts['account']): Account {
  const dates = Object.keys(dateFields).flatMap((field) => {
    const text = kept[field as DateField];
    return text === undefined ? [] : [[field, new Date(text)]];
  });
  return { ...kept, ...Object.fromEntries(dates) } as Account;
}
