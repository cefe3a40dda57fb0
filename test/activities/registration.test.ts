import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRegistrationActivities } from '../../activities/registration.ts';
import type { RegistrationStateName, RegistrationStatus } from '../../domain/registration.ts';
import { recordEvents } from '../support/recorder.ts';

function statusOf(state: RegistrationStateName, reason?: string): RegistrationStatus {
  const bare = { version: 3, state, steps: [], expiresAt: 1, sends: [], nextSendAt: {} };
  return reason === undefined ? bare : { ...bare, reason };
}

function scene() {
  const written: unknown[] = [];
  const forgotten: string[] = [];
  const { events, recorded } = recordEvents();
  const activities = createRegistrationActivities({
    registrations: {
      write: async (...args) => void written.push(args),
      takeProofs: async () => ({}),
      removeCredentials: async (id) => void forgotten.push(`credentials of ${id}`),
      removeDevice: async (id) => void forgotten.push(`device of ${id}`),
    },
    signalSteps: {
      saveNumber: async (...args) => void written.push(args),
      saveAnswer: async (...args) => void written.push(args),
      forget: async (id) => void forgotten.push(`step signal of ${id}`),
    },
    codes: { remove: async ({ subject, purpose }) => void forgotten.push(`codes of ${subject} to ${purpose}`) },
    events,
  });
  return { ...activities, written, forgotten, recorded };
}

describe('publishStatus()', () => {
  it('stores the status unchanged, with the hash of the token', async () => {
    const { publishStatus, written } = scene();
    const status = statusOf('pending');
    await publishStatus({ registrationId: 'r1', tokenHash: 'h', status });
    assert.deepEqual(written, [['r1', status, 'h']]);
  });
});

describe('saveVerifiedNumber() and saveSignalAnswer()', () => {
  it('store what the step signal needs outside of the workflow', async () => {
    const { saveVerifiedNumber, saveSignalAnswer, written } = scene();
    const answer = { account: { uuid: 'u', pni: 'p', number: '+447700900101' }, requestHash: 'h' };
    await saveVerifiedNumber({ registrationId: 'r1', number: '+447700900101' });
    await saveSignalAnswer({ registrationId: 'r1', answer });
    assert.deepEqual(written, [
      ['r1', '+447700900101'],
      ['r1', answer],
    ]);
  });
});

describe('closeRegistration()', () => {
  it('publishes the end, removes credentials and codes of a registration that was not completed, and counts its end', async () => {
    const { closeRegistration, forgotten, recorded, written } = scene();
    const status = statusOf('rejected', 'identity-taken');
    await closeRegistration({ registrationId: 'r1', tokenHash: 'h', status });
    assert.deepEqual(written, [['r1', status, 'h']]);
    assert.deepEqual(forgotten, ['credentials of r1', 'device of r1', 'codes of r1 to register']);
    assert.deepEqual(recorded, [{ name: 'registrationEnded', args: ['r1', status] }]);
  });

  it('removes what the step signal has stored, if the registration has the step', async () => {
    const { closeRegistration, forgotten } = scene();
    const status = { ...statusOf('completed'), steps: [{ name: 'signal', status: 'done' } as const] };
    await closeRegistration({ registrationId: 'r1', tokenHash: 'h', status });
    assert.deepEqual(forgotten, ['credentials of r1', 'device of r1', 'step signal of r1']);
  });

  it('keeps the verified code of a completed registration, so that a late repeat succeeds', async () => {
    const { closeRegistration, forgotten } = scene();
    await closeRegistration({ registrationId: 'r1', tokenHash: 'h', status: statusOf('completed') });
    assert.deepEqual(forgotten, ['credentials of r1', 'device of r1']);
  });
});
