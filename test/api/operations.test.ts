/** What holds for every operation, by one loop over the tables of contract/: nothing runs before its guard. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import type { ApiDeps } from '../../api/deps.ts';
import { served } from '../../api/handlers.ts';
import { type Served, serve } from '../../api/serve.ts';
import type { Operation } from '../../contract/operation.ts';
import { type OperationId, operations } from '../../contract/operations.ts';
import { call, startRegistration } from '../support/client.ts';
import { makeDevice, makeIdentity } from '../support/device-keys.ts';
import { signedIn } from '../support/people.ts';
import { must } from '../support/registrations.ts';
import { withSystem } from '../support/with-system.ts';

const rows = Object.entries(operations) as [OperationId, Operation][];
const bearers = rows.filter(([, { auth }]) =>
  ['registration', 'session', 'device', 'link', 'admin', 'deletion'].includes(auth),
);
const withJson = rows.filter(([, { body, isForm, isCallback }]) => body !== undefined && !isForm && !isCallback);
const unknownId = 'f'.repeat(32);

/** A credential of each kind, of one user. */
const tokens: Partial<Record<Operation['auth'], string>> = {};

const { system, url, api } = await withSystem({ REGISTRATION_STEPS: 'code' });
const registration = await startRegistration(url, { phone: '+447700900771' });
const registrationId = registration.id;
tokens.registration = registration.token;
tokens.session = (await signedIn(system, 770)).accessToken;
const { accessToken: token } = await signedIn(system, 771);
tokens.device = (await must(api.addDevice({ token, body: makeDevice(makeIdentity()) }), 201)).body.accessToken;

const pathOf = ({ path }: Operation, id = unknownId) => path.replace(/:\w+/g, id);
const ask = (row: Operation, options: Parameters<typeof call>[3] = {}, id?: string) =>
  call(url, row.method.toUpperCase(), pathOf(row, id), options);

describe('every operation that needs a bearer token', () => {
  it('returns 401 without one, and for another scheme', async () => {
    for (const [id, row] of bearers) {
      assert.equal((await ask(row)).status, 401, id);
      assert.equal((await ask(row, { headers: { authorization: 'Basic YTpi' } })).status, 401, id);
    }
  });

  it('returns 401 or 404 for a wrong token', async () => {
    for (const [id, row] of bearers) {
      const { status } = await ask(row, { token: 'x'.repeat(43) });
      assert.equal(status, ['registration', 'link', 'deletion'].includes(row.auth) ? 404 : 401, id);
    }
  });

  it('returns 401, 403 or 404 for a token of another kind', async () => {
    for (const [id, row] of bearers) {
      const isOfSession = ['session', 'device', 'admin'].includes(row.auth);
      const foreign = isOfSession ? tokens.registration : tokens.session;
      const { status } = await ask(row, { token: foreign ?? '' }, registrationId);
      assert.ok([401, 404].includes(status), `${id}: ${status}`);
      if (row.auth === 'admin' || row.auth === 'device') {
        assert.equal((await ask(row, { token: tokens.session ?? '' })).status, 403, id);
      }
    }
  });
});

describe('every operation with a JSON body', () => {
  it('returns 413 for a large body and 415 for another media type, before it authenticates', async () => {
    for (const [id, row] of withJson) {
      const large = 'x'.repeat((row.bodyBytesMax ?? 256 * 1024) + 1024);
      assert.equal((await ask(row, { body: { x: large } })).status, 413, id);
      const other = await ask(row, { body: 'a=1', headers: { 'content-type': 'text/plain' } });
      assert.equal(other.status, 415, id);
    }
  });

  it('returns 400 for an unknown field and names it, once the caller is authenticated', async () => {
    for (const [id, row] of withJson) {
      const token = tokens[row.auth];
      if (row.auth !== 'none' && token === undefined) continue;
      const { status, body } = await ask(
        row,
        { body: { toString: 1, nobodyKnows: 1 }, ...(token && { token }) },
        registrationId,
      );
      assert.equal(status, 400, id);
      // where a field tells which others there are, that one is named
      const named = row.body instanceof z.ZodDiscriminatedUnion ? row.body.def.discriminator : 'nobodyKnows';
      assert.ok(
        body.details.some(({ path }: { path: string }) => path === named),
        id,
      );
    }
  });
});

describe('serve()', () => {
  it('runs no handler before its guard has passed', async () => {
    for (const [id, row] of rows.filter(([, { auth }]) => auth !== 'none')) {
      let hasRun = false;
      const watched: Served = {
        ...served[id],
        handler: async () => {
          hasRun = true;
          return { status: 200 } as never;
        },
      };
      const deps = {
        config: {},
        tokens: { verify: async () => ({ sessionId: 's', userId: 'u', expiresAt: 0 }) },
        sessions: { read: async () => undefined },
        registrations: { read: async () => undefined },
        links: { read: async () => undefined },
        deletionTokens: () => ['another'],
        reportCipher: { decryptText: () => assert.fail('not encrypted here') },
        events: { deliveryReportIgnored: () => undefined },
        requestLeases: { consume: async () => ({ allowed: true, max: 1, remaining: 1, resetSeconds: 1 }) },
      } as unknown as ApiDeps;
      for (const authorization of [undefined, `Bearer ${'x'.repeat(43)}`]) {
        const caller = { address: '127.0.0.1', userAgent: 'test' };
        const params = { registrationId: unknownId, linkId: unknownId, deletionId: unknownId };
        const request = { params, query: {}, body: {}, authorization, caller };
        await assert.rejects(serve(deps, watched, request), { name: 'Failure' }, id);
      }
      assert.equal(hasRun, false, row.path);
    }
  });
});
