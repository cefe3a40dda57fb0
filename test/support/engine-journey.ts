/** What people do, through every engine: they register with a device, log in, stay logged in, and write to each other. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { codeFor } from './client.ts';
import { makeDevice, makeIdentity } from './device-keys.ts';
import { createJourney, type Destination, type Person, personOf } from './journey.ts';
import { acceptEachOther, connectClient, messageTo, type TestDevice, textOf } from './messages.ts';
import { must } from './registrations.ts';
import { createRestClient, type RestClient } from './rest-client.ts';
import { until } from './until.ts';

/** The variables of a system for these people. */
export const journeyVariables = {
  REGISTRATION_STEPS: 'directory,captcha,code,credentials,device',
  CAPTCHA_COST: '2',
} as const;

/** A person with a device, and what is known of both. */
interface Traveller extends TestDevice {
  person: Person;
}

/** Registers a numbered person with a device. `meanwhile` happens between the code and the credentials. */
export async function register(
  to: Destination,
  index: number,
  meanwhile: () => Promise<void> = async () => undefined,
): Promise<Traveller> {
  const identity = makeIdentity();
  const device = makeDevice(identity);
  const person = personOf(index);
  const journey = createJourney(to, person, 'sms', { device });
  await journey.walk('code');
  await meanwhile();
  await journey.walk('session');
  const { accessToken: token, refreshToken, user, device: own } = journey.answerOf('session').body;
  const { registrationId } = device;
  return { person, userId: user.userId, deviceId: own.deviceId, registrationId, token, refreshToken, identity };
}

/** Logs in by a code and the password; the code is the second message that the person gets, if no other. */
export async function logInAgain(
  { apiUrl, outboxUrl }: Destination,
  { person }: Traveller,
  messages = 2,
): Promise<void> {
  const api = createRestClient(apiUrl);
  const { body: begun } = await must(api.beginLogInAlias({ body: { identifier: person.username } }), 202);
  const proof = {
    loginId: begun.loginId,
    code: await codeFor(outboxUrl, person.phone, messages),
    password: person.newPassword,
  };
  const { body } = await must(api.verifyAlias({ body: proof }));
  await must(api.readSession({ token: body.accessToken }));
}

/** Checks the session, takes new tokens, and checks the session again. */
export async function stayLoggedIn(api: RestClient, traveller: Traveller): Promise<void> {
  await must(api.readSession({ token: traveller.token }));
  const { body } = await must(api.refreshTokens({ body: { refreshToken: traveller.refreshToken } }));
  traveller.token = body.accessToken;
  traveller.refreshToken = body.refreshToken;
  await must(api.readSession({ token: traveller.token }));
}

/** Both accept each other; one sends over a connection, and the other gets it over one. */
export async function write(apiUrl: string, alice: Traveller, bob: Traveller): Promise<void> {
  await acceptEachOther(createRestClient(apiUrl), alice, bob);
  using hers = await connectClient(apiUrl, alice.token);
  using his = await connectClient(apiUrl, bob.token);
  const text = randomUUID();
  const { error } = await hers.ask('message:send', { userId: bob.userId, ...messageTo([bob], text) });
  assert.equal(error, undefined, JSON.stringify(error));
  await until(() => his.messages.some((message) => textOf(message) === text));
}

/** Everything, by two people. */
export async function liveThrough(to: Destination): Promise<void> {
  const api = createRestClient(to.apiUrl);
  const [alice, bob] = [await register(to, 1), await register(to, 2)];
  await logInAgain(to, alice);
  await stayLoggedIn(api, alice);
  await write(to.apiUrl, alice, bob);
}
