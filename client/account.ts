/** The account and its sessions: sign-in, sign-out, recovery, profile. */
import type { sessionOperations } from '../contract/auth.ts';
import type { BodyOf } from '../contract/operation.ts';
import type { User } from '../contract/schemas.ts';
import type { ProfileChange, StartedChange } from '../contract/users.ts';
import type { Calls } from './calls.ts';
import type { ClientDeps } from './deps.ts';
import { hasCode } from './errors.ts';

/** A sign-in that waits for its code, or undefined when the password was enough. */
export type PendingSignIn = { loginId: string; channel: string; expiresAt: string } | undefined;

/** What a person signs in with: a password, or a channel for a code. */
export type Credentials = BodyOf<(typeof sessionOperations)['beginLogIn']>;

/** The code of a sign-in, and the PIN or password that the account asks for after it. */
export type SignInProof = Omit<BodyOf<(typeof sessionOperations)['verify']>, 'registrationId'>;

/** The recovery of an account whose password was forgotten. A message with a token is on its way to the owner. */
export interface RecoveryFlow {
  /** Sets a new password by the token of the message; every session of the account ends. Sign in after it. */
  setPassword(proof: { token: string; password: string; pin?: string }): Promise<void>;
}

/** A session of the account. */
export type ListedSession = Awaited<ReturnType<Calls['listSessions']>>['items'][number];

/** The part of a client that concerns the account. */
export interface AccountFunctions {
  signIn(credentials: Credentials): Promise<PendingSignIn>;
  verifySignIn(proof: SignInProof): Promise<void>;
  /** Ends the session; the keys stay. It is forgotten here also when the server has ended it already. */
  signOut(): Promise<void>;
  /** Sends the owner of an account a message with a token. Nothing tells whether there is such an account. */
  recover(person: { identifier: string }): Promise<RecoveryFlow>;
  profile: {
    read(): Promise<User>;
    /** Changes fields. A new number or address is verified by a code: `calls.verifyContact` with the returned `changeId`. */
    update(fields: ProfileChange): Promise<User | StartedChange>;
  };
  sessions: {
    list(): Promise<ListedSession[]>;
    end(sessionId: string): Promise<void>;
    /** Ends every session but this one. */
    endOthers(): Promise<void>;
  };
}

/** Creates the functions on the account. */
export function createAccount({ calls, session }: Pick<ClientDeps, 'calls' | 'session'>): AccountFunctions {
  const listSessions = async (): Promise<ListedSession[]> => {
    const all: ListedSession[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await calls.listSessions({ query: cursor === undefined ? {} : { cursor } });
      all.push(...page.items);
      cursor = page.nextCursor;
    }
    return all;
  };
  return {
    async signIn(credentials) {
      const answer = await calls.beginLogIn({ body: credentials });
      if ('loginId' in answer) return answer;
      await session.keep(answer);
      return undefined;
    },
    async verifySignIn(proof) {
      const answer = await calls.verify({ body: proof });
      if ('accessToken' in answer) await session.keep(answer);
    },
    async signOut() {
      await calls.logOut().catch((err) => {
        if (!hasCode(err, 'SIGNED_OUT')) throw err;
      });
      await session.end();
    },
    async recover({ identifier }) {
      await calls.forgetPassword({ body: { identifier } });
      return {
        async setPassword(body) {
          await calls.resetPassword({ body });
        },
      };
    },
    profile: {
      read: () => calls.readMe(),
      update: (body) => calls.changeProfile({ body }),
    },
    sessions: {
      list: listSessions,
      async end(sessionId) {
        await calls.endSession({ sessionId });
      },
      async endOthers() {
        const others = (await listSessions()).filter(({ isCurrent }) => !isCurrent);
        for (const { sessionId } of others) await calls.endSession({ sessionId }).catch(ignoreEnded);
      },
    },
  };
}

/** A session that ended meanwhile. */
function ignoreEnded(err: unknown): undefined {
  if (hasCode(err, 'NOT_FOUND')) return undefined;
  throw err;
}
