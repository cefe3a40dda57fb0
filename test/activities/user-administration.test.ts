import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createUserAdministrationActivities } from '../../activities/user-administration.ts';
import { recordEvents } from '../support/recorder.ts';

const change = { userId: 'user-1', at: 1000, operator: 'alice' };

function activities() {
  const { events, recorded } = recordEvents();
  const calls: unknown[][] = [];
  const note =
    (name: string, answer?: number) =>
    async (...args: unknown[]) => {
      calls.push([name, ...args]);
      return answer as never;
    };
  const account = {
    userId: 'user-1',
    roles: ['admin', 'user'],
    groups: [],
    registrationIds: [],
    createdAt: new Date(0),
  };
  const accounts = {
    read: async () => account,
    disable: note('disable'),
    enable: note('enable'),
    setRoles: note('setRoles'),
    hasRole: async () => true,
  };
  const deps = { accounts, sessions: { endAll: note('endAll', 2), setRoles: note('setSessionRoles') }, events };
  return { ...createUserAdministrationActivities(deps), recorded, calls };
}

describe('createUserAdministrationActivities()', () => {
  it('marks the account with the time of the request, however late the activity runs', async () => {
    const { disableAccount, enableAccount, calls } = activities();
    await disableAccount(change);
    await enableAccount(change);
    assert.deepEqual(calls, [
      ['disable', 'user-1', new Date(1000)],
      ['enable', 'user-1'],
    ]);
  });

  it('ends the sessions of the user and returns their number', async () => {
    const { endSessions, calls } = activities();
    assert.equal(await endSessions(change), 2);
    assert.deepEqual(calls, [['endAll', 'user-1', { reason: 'revoked' }]]);
  });

  it('writes the current roles of the account to its sessions, whichever change asks', async () => {
    const { changeRoles, changeSessionRoles, calls } = activities();
    await changeRoles({ ...change, roles: ['user'] });
    await changeSessionRoles({ ...change, roles: ['user'] });
    assert.deepEqual(calls, [
      ['setRoles', 'user-1', ['user']],
      ['setSessionRoles', 'user-1', ['admin', 'user']],
    ]);
  });

  it('records an event with user, time and operator', async () => {
    const { tellDisabled, tellEnabled, recorded } = activities();
    await tellDisabled(change);
    await tellEnabled(change);
    assert.deepEqual(recorded, [
      { name: 'userDisabled', args: [change] },
      { name: 'userEnabled', args: [change] },
    ]);
  });
});
