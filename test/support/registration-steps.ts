/** The updates of a registration, as a client or an operator sends them, for tests of its workflow. */
import type { UpdateDefinition } from '@temporalio/common';
import type { RegistrationStatus } from '../../domain/registration.ts';
import {
  authenticate,
  cancel,
  confirmCode,
  passCaptcha,
  requestCode,
  retryStep,
  setCredentials,
  switchChannel,
} from '../../workflows/registration-messages.ts';
import { failure, type Scene } from './workflow-scene.ts';

/** Sends an update and returns its result. */
export function give<Answer, Args extends [unknown] | []>(
  scene: Scene,
  update: UpdateDefinition<Answer, Args>,
  ...args: Args
): Promise<Answer> {
  return scene.give(update, args);
}

/** Verifies the directory entry. */
export const bind = (scene: Scene, passwordRef = 'ref-1') =>
  give(scene, authenticate, { username: 'ada', passwordRef });

/** Passes the captcha. */
export const solve = (scene: Scene) => give(scene, passCaptcha, {});

/** Requests a code. */
export const ask = (scene: Scene, channel: 'sms' | 'email' = 'sms') => give(scene, requestCode, { channel });

/** Confirms that the code of a send was verified. */
export const confirm = (scene: Scene, send = 1) => give(scene, confirmCode, { send });

/** Sets the credentials. */
export const secure = (scene: Scene) => give(scene, setCredentials, { credentialsRef: 'ref-1' });

/** Cancels the registration; `by` names the operator. */
export const stop = (scene: Scene, by?: string) => give(scene, cancel, by === undefined ? undefined : { by });

/** Retries the call that waits for a dependency, as an operator. */
export const retry = (scene: Scene, by?: string) => give(scene, retryStep, { by });

/** Sends the code on another channel, as an operator. */
export const change = (scene: Scene, channel: 'sms' | 'email', by?: string) =>
  give(scene, switchChannel, { channel, by });

/** Returns whether a code was sent. */
export const isSent = (status: RegistrationStatus) => status.sends.some(({ state }) => state === 'sent');

/** Returns whether the registration waits for a dependency. */
export const isWaitingFor = (system: string) => (status: RegistrationStatus) => status.waitingFor === system;

/** Returns the sends of a registration, as number and channel. */
export const sendsOf = ({ calls }: Scene) =>
  calls.filter(({ name }) => name === 'sendCode').map(({ input }) => `${input.send} ${input.channel}`);

/** The result of a provider that accepts a message. */
export const sentNow = () => ({ result: 'sent', at: Date.now() }) as const;

/** Completes directory and captcha, requests a code and waits until it is sent. */
export async function reachCode(scene: Scene): Promise<Scene> {
  await bind(scene);
  await solve(scene);
  await ask(scene);
  await scene.until(isSent);
  return scene;
}

/** Fails this many times, then succeeds. */
export function awayFor<T>(
  times: number,
  answer: () => T,
  code: 'unavailable' | 'directory-unavailable' = 'unavailable',
) {
  let left = times;
  return async (): Promise<T> => {
    if (left-- > 0) throw failure(code);
    return answer();
  };
}
