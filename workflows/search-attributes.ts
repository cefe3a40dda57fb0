/** What operators filter by in the Temporal Web UI. Never encrypted, so nothing personal: states and names of ours. */
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

/** The names of all of them: what a namespace must have. */
export const searchAttributeNames: readonly string[] = Object.values(keys).map(({ name }) => name);

/** The search attributes of a registration; null takes one away. */
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

/** By which the flows of a person are found when the person is deleted; none while nobody knows whose it is. */
export function userAttributesOf(userId: string | undefined): SearchAttributePair[] {
  return userId === undefined ? [] : [{ key: keys.user, value: userId }];
}

/** Those of them that every flow has. */
export function stateAttributesOf({
  state,
  waitingFor,
}: Pick<RegistrationStatus, 'state' | 'waitingFor'>): SearchAttributeUpdatePair[] {
  return [
    { key: keys.state, value: state },
    { key: keys.waitingFor, value: waitingFor ?? null },
  ];
}
