/** The upkeep of the keys that a device has at the server, and their replacement after a new identity key. */
import type { ClientDeps } from './deps.ts';
import { hasCode } from './errors.ts';
import { confirmUpload, discardUpload, dueUpload, pruneKeys } from './keys.ts';
import { rotate, type SendKeys, settleRotation } from './rotation.ts';

/** What the upkeep of keys needs. */
export type KeyDeps = Pick<ClientDeps, 'calls' | 'store' | 'now'>;

/** Uploads in one maintenance: the one without an answer, and what is due after it. */
const uploadsMax = 2;

/** Uploads the keys that are due. */
export async function maintainKeys(deps: KeyDeps): Promise<void> {
  const { calls, store, now } = deps;
  await settleRotation(deps);
  for (let uploads = 0; uploads < uploadsMax; uploads += 1) {
    const status = await calls.readKeyState();
    const upload = await store.transaction((state) => {
      pruneKeys(state, now());
      return dueUpload(state, status, now());
    });
    if (upload === undefined) return;
    try {
      await calls.uploadKeys({ body: upload });
    } catch (err) {
      // the server has other keys under these ids: new ones have new ids
      if (hasCode(err, 'CONFLICT')) await store.transaction(discardUpload);
      throw err;
    }
    await store.transaction((state) => confirmUpload(state, now()));
  }
}

/** Replaces the identity key, or finishes an earlier call that did not see its end. @throws {VyryError} as `rotate` */
export async function rotateIdentity(deps: KeyDeps, sendKeys: SendKeys | undefined): Promise<void> {
  const settled = await settleRotation(deps);
  // an upload without an answer is settled before its signatures are worth nothing
  await maintainKeys(deps);
  // that of an earlier call was made
  if (settled?.body !== undefined) return;
  await rotate(deps, sendKeys);
  await maintainKeys(deps);
}
