/** A registration, step by step. Its token is kept in the store, so that any later process continues it. */
import type { BodyOf } from '../contract/operation.ts';
import type { Registration, registrationOperations } from '../contract/registrations.ts';
import type { ClientDeps } from './deps.ts';
import { VyryError } from './errors.ts';
import { confirmUpload, deviceKeys, setIdentity } from './keys.ts';
import { type NewDeviceFlow, requestLink } from './link-flows.ts';

type Rows = typeof registrationOperations;

/** The steps of one registration. Each returns the registration as it is then. */
export interface RegistrationFlow {
  registrationId: string;
  /** Waits at most `waitSeconds` for a change. */
  read(waitSeconds?: number): Promise<Registration>;
  verifyDirectory(proof: BodyOf<Rows['verifyDirectory']>): Promise<Registration>;
  verifyCaptcha(proof: BodyOf<Rows['verifyCaptcha']>): Promise<Registration>;
  sendCode(request: BodyOf<Rows['sendCode']>): Promise<Registration>;
  verifyCode(code: string): Promise<Registration>;
  submitCredentials(credentials: BodyOf<Rows['submitCredentials']>): Promise<Registration>;
  /** Makes the keys of this device and describes it; the account gets it, and its first device its identity key. */
  submitDevice(name: string): Promise<Registration>;
  /** Opens the lock of an account that has the number, address or directory entry, by its PIN. */
  submitPin(pin: string): Promise<void>;
  /** Asks the devices of that account to open it. Then `submitDevice` comes again, with the identity key of the account. */
  requestApproval(deviceName: string): Promise<RequestedApproval>;
  /**
   * Waits until the registration has ended, and begins its session.
   *
   * @throws {VyryError} REGISTRATION_ENDED: it was rejected, cancelled or has expired
   */
  finish(): Promise<void>;
  cancel(): Promise<void>;
}

/** An approval that the devices of the account were asked for. */
interface RequestedApproval extends Pick<NewDeviceFlow, 'linkId' | 'code'> {
  /**
   * Waits until a person has typed the digits on another device, and keeps the identity key that it sent.
   *
   * @throws {VyryError} LINK_ENDED, LINK_PROVISION
   */
  complete(): Promise<void>;
}

/** Starts a registration and keeps its token. */
export async function startRegistration(
  deps: ClientDeps,
  person: BodyOf<Rows['createRegistration']>,
): Promise<RegistrationFlow> {
  const { registrationId, registrationToken } = await deps.calls.createRegistration({ body: person });
  await deps.store.transaction((state) => {
    state.registration = { registrationId, token: registrationToken };
  });
  return flowOf(deps, { registrationId, token: registrationToken });
}

/**
 * Continues the registration of the store.
 *
 * @throws {VyryError} NO_REGISTRATION: there is none
 */
export async function continueRegistration(deps: ClientDeps): Promise<RegistrationFlow> {
  const registration = await deps.store.transaction((state) => state.registration);
  if (registration === undefined) throw new VyryError('NO_REGISTRATION', 'There is no registration to continue');
  return flowOf(deps, registration);
}

interface RegistrationIds {
  registrationId: string;
  token: string;
}

function flowOf(deps: ClientDeps, ids: RegistrationIds): RegistrationFlow {
  const { calls, store, session, client, now } = deps;
  const forget = () =>
    store.transaction((state) => {
      delete state.registration;
    });
  const read = (waitSeconds = 0) => calls.readRegistration({ ...ids, query: { waitSeconds: String(waitSeconds) } });
  return {
    registrationId: ids.registrationId,
    read,
    verifyDirectory: (body) => calls.verifyDirectory({ ...ids, body }),
    verifyCaptcha: (body) => calls.verifyCaptcha({ ...ids, body }),
    sendCode: (body) => calls.sendCode({ ...ids, body }),
    verifyCode: (code) => calls.verifyCode({ ...ids, body: { code } }),
    submitCredentials: (body) => calls.submitCredentials({ ...ids, body }),
    async submitDevice(name) {
      const keys = await store.transaction((state) => deviceKeys(state, now()));
      return await calls.submitDevice({ ...ids, body: { name, client, ...keys } });
    },
    async submitPin(pin) {
      await calls.submitApproval({ ...ids, body: { pin } });
    },
    requestApproval: (deviceName) => requestApproval(deps, ids, deviceName),
    async finish() {
      await untilCompleted(read);
      const tokens = await calls.createRegistrationSession(ids);
      await session.keep(tokens);
      await store.transaction((state) => {
        if (tokens.device) confirmUpload(state, now());
        delete state.registration;
      });
    },
    async cancel() {
      await calls.cancelRegistration(ids);
      await forget();
    },
  };
}

async function requestApproval(
  { calls, origin, store, closing }: ClientDeps,
  ids: RegistrationIds,
  deviceName: string,
): Promise<RequestedApproval> {
  const flow = await requestLink({ calls, origin, delay: closing.delay }, async (offer) => {
    const answer = await calls.submitApproval({ ...ids, body: { deviceName, ...offer } });
    if ('linkId' in answer) return answer;
    throw new VyryError('LINK_ENDED', 'The registration is approved already');
  });
  return {
    linkId: flow.linkId,
    code: flow.code,
    async complete() {
      const { identity } = await flow.provision();
      await store.transaction((state) => setIdentity(state, identity));
    },
  };
}

/** Returns when no step is left; one that a person must do is the caller's. */
async function untilCompleted(read: (waitSeconds: number) => Promise<Registration>): Promise<void> {
  for (let seconds = 0; ; seconds = 25) {
    const { state, steps, reason } = await read(seconds);
    if (state === 'completed') return;
    if (state !== 'pending' && state !== 'waiting')
      throw new VyryError('REGISTRATION_ENDED', `The registration is ${state}`, { fields: { state, reason } });
    const open = steps.filter(({ status }) => status === 'open').map(({ name }) => name);
    if (open.length > 0)
      throw new VyryError('STEPS_OPEN', `The registration has open steps: ${open.join(', ')}`, { fields: { open } });
  }
}
