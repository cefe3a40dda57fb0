/**
 * What every store of the client promises, as cases that throw when a promise is broken. They use nothing of Node, so that
 * they run in a browser on its store as well.
 */
import type { ClientState, ClientStore } from '../../client/store.ts';

/** A place that outlives its stores. */
export interface StoreMedium {
  /** Opens the store; an earlier one is closed. */
  open(): Promise<ClientStore>;
  /** Opens the store as after a crash at this moment: nothing is closed, and what was not kept is gone. */
  openAfterCrash(): Promise<ClientStore>;
}

/** A promise of `ClientStore`, checked on an empty medium. */
type StoreCase = (medium: StoreMedium) => Promise<void>;

/** The cases by what they show. */
const storeContract: Readonly<Record<string, StoreCase>> = {
  'keeps what a transaction changed, for the next opening': async (medium) => {
    const store = await medium.open();
    await store.transaction((state) => {
      state.userId = 'u-1';
      state.sessions['u-2.1'] = 'AQA=';
      state.seen.push('m-1');
    });
    const again = await medium.open();
    const kept = await again.transaction(({ userId, sessions, seen }) => [userId, sessions['u-2.1'], ...seen].join());
    equal(kept, 'u-1,AQA=,m-1');
  },

  'keeps it before the transaction resolves: a crash after it loses nothing': async (medium) => {
    const store = await medium.open();
    await store.transaction((state) => {
      state.seen.push('m-1');
    });
    const again = await medium.openAfterCrash();
    equal(await again.transaction(({ seen }) => seen.join()), 'm-1');
  },

  'keeps all of a transaction or nothing': async (medium) => {
    const store = await medium.open();
    const writing = store.transaction(async (state) => {
      state.outbox.push(outgoing('c-1'));
      await Promise.resolve();
      state.sessions['u-2.1'] = 'AQA=';
    });
    await writing;
    const again = await medium.openAfterCrash();
    const kept = await again.transaction(({ outbox, sessions }) => [outbox.length, sessions['u-2.1']].join());
    equal(kept, '1,AQA=');
  },

  'changes nothing when a transaction fails, also after it has waited, and runs the next one': async (medium) => {
    const store = await medium.open();
    await store.transaction((state) => {
      state.userId = 'u-1';
    });
    const failing = store.transaction(async (state) => {
      state.userId = 'u-2';
      state.seen.push('m-1');
      await Promise.resolve();
      throw new Error('no');
    });
    equal(await failing.catch((err: Error) => err.message), 'no');
    equal(await store.transaction(({ userId, seen }) => [userId, seen.length].join()), 'u-1,0');
    equal(await (await medium.open()).transaction(({ userId }) => userId), 'u-1');
  },

  'keeps what is changed inside of a field, and what is removed': async (medium) => {
    const store = await medium.open();
    await store.transaction((state) => {
      state.deviceId = 'd-1';
      state.sessions['u-2.1'] = 'AQA=';
      state.sessions['u-3.1'] = 'AQE=';
      state.outbox.push(outgoing('c-1'), outgoing('c-2'));
      state.keys.preKeys.push({ keyId: 1, secret: 'AA==', createdAt: 1 }, { keyId: 2, secret: 'AQ==', createdAt: 1 });
    });
    await store.transaction((state) => {
      delete state.deviceId;
      delete state.sessions['u-2.1'];
      for (const one of state.outbox) one.plain = `ü${one.clientMessageId}`;
      state.outbox.shift();
      for (const key of state.keys.preKeys) key.replacedAt = 2;
      state.keys.preKeys.pop();
    });
    for (const opened of [store, await medium.openAfterCrash(), await medium.open()]) {
      const kept = await opened.transaction(({ deviceId, sessions, outbox, keys }) =>
        JSON.stringify([deviceId ?? 'none', sessions, outbox.map(({ plain }) => plain), keys.preKeys]),
      );
      const keys = [{ keyId: 1, secret: 'AA==', createdAt: 1, replacedAt: 2 }];
      equal(kept, JSON.stringify(['none', { 'u-3.1': 'AQE=' }, ['üc-2'], keys]));
    }
  },

  'changes nothing when a failed transaction has changed what it read': async (medium) => {
    const store = await medium.open();
    await store.transaction((state) => {
      state.outbox.push(outgoing('c-1'));
    });
    const failing = store.transaction((state) => {
      for (const one of state.outbox) one.clientMessageId = 'c-9';
      throw new Error('no');
    });
    equal(await failing.catch((err: Error) => err.message), 'no');
    const read = ({ outbox }: ClientState) => outbox.map(({ clientMessageId }) => clientMessageId).join();
    equal(await store.transaction(read), 'c-1');
    equal(await (await medium.openAfterCrash()).transaction(read), 'c-1');
  },

  'runs one transaction at a time, in their order': async (medium) => {
    const store = await medium.open();
    const increments = Array.from({ length: 20 }, (_, index) =>
      store.transaction(async (state) => {
        const before = state.registrationId ?? 0;
        await Promise.resolve();
        state.registrationId = before + 1;
        state.seen.push(String(index));
      }),
    );
    await Promise.all(increments);
    equal(await store.transaction(({ registrationId }) => registrationId), 20);
    const order = Array.from({ length: 20 }, (_, index) => index).join();
    equal(await store.transaction(({ seen }) => seen.join()), order);
  },

  'does not share its state with the outside': async (medium) => {
    const store = await medium.open();
    const taken = await store.transaction((state) => {
      state.outbox.push(outgoing('c-1'));
      return state.outbox;
    });
    taken.push(outgoing('c-2'));
    const all = await store.transaction((state) => state);
    all.outbox.push(outgoing('c-3'));
    equal(await store.transaction(({ outbox }) => outbox.length), 1);
    equal((await store.transaction((state) => state)).outbox.length, 1);
  },
};

/** Runs all cases, each on a medium of its own. */
export async function checkStoreContract(createMedium: () => Promise<StoreMedium>): Promise<void> {
  for (const [name, run] of Object.entries(storeContract)) {
    await run(await createMedium()).catch((cause: unknown) => {
      throw new Error(`A store ${name}: not this one`, { cause });
    });
  }
}

function outgoing(clientMessageId: string) {
  return { clientMessageId, userId: 'u-2', type: 'message' as const, timestamp: '', plain: '', messages: [] };
}

function equal(found: unknown, expected: unknown): void {
  if (found !== expected) throw new Error(`${JSON.stringify(found)} in place of ${JSON.stringify(expected)}`);
}
