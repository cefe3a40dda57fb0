/**
 * A fake of a Signal-Server, as far as registration reaches: verification sessions, `POST /v1/registration` and
 * `/v2/keys`, with the bodies, signatures, limits and statuses of the real one, in its order of checks. Its registration
 * service is a real one: it calls the gRPC server that `PUT /signal-server/registration-service` names.
 */
import { z } from 'zod';
import type { Faults } from '../faults.ts';
import { type Answer, type Call, json, type Route, readJson } from '../http-server.ts';
import { type Account, type Accounts, createAccounts, isSecretOf } from './accounts.ts';
import { answerTo, Refused, readBody, readCredentials } from './answers.ts';
import { KeysBody } from './bodies.ts';
import { createLimiter, type Limiter } from './limiter.ts';
import { register, requireSigned } from './registration.ts';
import {
  connectRegistrationService,
  type RegistrationService,
  type RegistrationServiceOptions,
  ServiceFault,
} from './registration-service.ts';
import { createSessions } from './sessions.ts';

/** The fake. */
export interface FakeSignalServer {
  routes: Route[];
  /** Calls another registration service from now on. */
  connect(options: RegistrationServiceOptions): void;
  /** Forgets accounts, sessions and limits. */
  clear(): void;
  close(): void;
}

/** The body that names the registration service. */
const serviceSchema = z.strictObject({ address: z.string().regex(/^[\w.[\]:-]+:\d+$/), token: z.string().optional() });

const provider = 'signal-server';
const secondsOfLimitFault = 30;

/** Creates the fake without accounts. `faults` of the channel `signal` replace its answers. */
export function createSignalServer(faults: Faults): FakeSignalServer {
  const accounts = createAccounts();
  let limiter = createLimiter();
  // a limiter that is replaced must be seen by everything that was created before
  const currentLimiter: Limiter = {
    consume: (limit, key) => limiter.consume(limit, key),
    clear: (limit, key) => limiter.clear(limit, key),
  };
  let connected: RegistrationService | undefined;
  const service = () => {
    if (connected === undefined) throw new ServiceFault(false);
    return connected;
  };
  const connect = (options: RegistrationServiceOptions) => {
    connected?.close();
    connected = connectRegistrationService(options);
  };
  const surroundings = { service, limiter: currentLimiter, accounts };
  const sessions = createSessions({ ...surroundings, findAccount: (number) => accounts.byNumber(number) });
  const served: Route[] = [
    ...sessions.routes,
    { method: 'POST', path: /^\/v1\/registration$/, answer: (call) => register(surroundings, call) },
    ...keyRoutes(accounts),
    {
      method: 'HEAD',
      path: /^\/v1\/accounts\/account\/(?<id>[\w:-]+)$/,
      answer: ({ params }) => ({ status: accounts.byUser(params.id ?? '') ? 200 : 404, body: '' }),
    },
  ];
  return {
    routes: [
      ...served.map((route) => ({ ...route, answer: (call: Call) => answerUnderFault(faults, route, call) })),
      ...controlRoutes(accounts, connect),
    ],
    connect,
    clear() {
      accounts.clear();
      sessions.clear();
      limiter = createLimiter();
    },
    close: () => connected?.close(),
  };
}

async function answerUnderFault(faults: Faults, { answer }: Route, call: Call): Promise<Answer> {
  const fault = faults.find('signal', provider);
  if (fault?.mode === 'error500') return json(500, {});
  if (fault?.mode === 'error400') return refusalOf(Number(fault.providerCode ?? 422));
  const given = await answerTo(() => answer(call));
  await faults.delay(fault, call.signal);
  return fault?.mode === 'accept-then-drop' ? 'drop' : given;
}

/** The answer with a status that a test has chosen. */
function refusalOf(status: number): Answer {
  if (status === 429) return json(status, {}, { 'retry-after': String(secondsOfLimitFault) });
  return json(status, status === 423 ? { timeRemaining: 86_400_000, svr2Credentials: null } : {});
}

function keyRoutes(accounts: Accounts): Route[] {
  const path = /^\/v2\/keys$/;
  return [
    {
      method: 'GET',
      path,
      answer(call) {
        const { preKeyIds, pqPreKeyIds } = keysOf(accounts, call);
        return json(200, { count: preKeyIds.length, pqCount: pqPreKeyIds.length });
      },
    },
    {
      method: 'PUT',
      path,
      async answer(call) {
        const keys = keysOf(accounts, call);
        const { preKeys, pqPreKeys, signedPreKey, pqLastResortPreKey } = readBody(call, KeysBody);
        await requireSigned(keys.identityKey, [signedPreKey, pqLastResortPreKey, ...(pqPreKeys ?? [])]);
        if (signedPreKey) keys.signedPreKey = signedPreKey;
        if (pqLastResortPreKey) keys.pqLastResortPreKey = pqLastResortPreKey;
        if (preKeys) keys.preKeyIds = preKeys.map(({ keyId }) => keyId);
        if (pqPreKeys) keys.pqPreKeyIds = pqPreKeys.map(({ keyId }) => keyId);
        return { status: 204, body: '' };
      },
    },
  ];
}

/** @throws {Refused} 400: no such identity; 401: wrong credentials */
function keysOf(accounts: Accounts, call: Call): Account['keys']['aci'] {
  const { user, password } = readCredentials(call, 401);
  const account = accounts.byUser(user);
  if (account === undefined || !isSecretOf(account.password, password)) throw new Refused(401);
  account.seenAt = Date.now();
  const identity = call.url.searchParams.get('identity') ?? 'aci';
  if (identity !== 'aci' && identity !== 'pni') throw new Refused(400);
  return account.keys[identity];
}

function controlRoutes(accounts: Accounts, connect: (options: RegistrationServiceOptions) => void): Route[] {
  return [
    {
      method: 'PUT',
      path: /^\/signal-server\/registration-service$/,
      answer(call) {
        connect(readJson(call, serviceSchema));
        return { status: 204, body: '' };
      },
    },
    {
      method: 'GET',
      path: /^\/signal-server\/accounts$/,
      answer: () =>
        json(
          200,
          accounts.all().map(({ uuid, pni, number, registrations }) => ({ uuid, pni, number, registrations })),
        ),
    },
  ];
}
