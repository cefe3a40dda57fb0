/** Search attributes for filtering in the Temporal Web UI. Not encrypted, so they hold only internal names and ids. */
import { defineSearchAttributeKey, type SearchAttributePair, type SearchAttributeUpdatePair } from '@temporalio/common';
import { currentStep, type RegistrationState, type RegistrationStatus } from '../domain/registration.ts';

const keyword = (name: string) => defineSearchAttributeKey(name, 'KEYWORD');
const keys = {
  step: keyword('VyryStep'),
  state: keyword('VyryState'),
  channel: keyword('VyryChannel'),
  waitingFor: keyword('VyryWaitingFor'),
  country: keyword('VyryCountry'),
  user: keyword('VyryUser'),
};

/** Names of all search attributes that a namespace must define. */
export const searchAttributeNames: readonly string[] = Object.values(keys).map(({ name }) => name);

/** Returns the search attributes of a registration; null removes one. */
export function searchAttributesOf(
  state: Pick<RegistrationState, 'policy' | 'done' | 'sends' | 'identity'>,
  status: Pick<RegistrationStatus, 'state' | 'waitingFor'>,
): SearchAttributeUpdatePair[] {
  return [
    { key: keys.step, value: currentStep(state) },
    ...stateAttributesOf(status),
    { key: keys.channel, value: state.sends.at(-1)?.channel ?? null },
    { key: keys.country, value: state.identity.country ?? null },
  ];
}

/** Returns the attribute by which an erasure finds the workflows of a user; none while the user is unknown. */
export function userAttributesOf(userId: string | undefined): SearchAttributePair[] {
  return userId === undefined ? [] : [{ key: keys.user, value: userId }];
}

/** Returns the search attributes that every workflow has. */
export function stateAttributesOf({
  state,
  waitingFor,
}: Pick<RegistrationStatus, 'state' | 'waitingFor'>): SearchAttributeUpdatePair[] {
  return [
    { key: keys.state, value: state },
    { key: keys.waitingFor, value: waitingFor ?? null },
  ];
}
