/** What a registration is started with, and the updates and the query that it handles. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { ContactIdentity } from '../domain/identity.ts';
import type {
  AskedApproval,
  CarriedProofs,
  RegistrationRules,
  RegistrationStatus,
  StepName,
} from '../domain/registration.ts';
import type { SignalRefusal } from '../domain/signal.ts';
import type { Channel, ClientKind } from '../domain/verification.ts';

/** The input of a registration. */
export interface RegistrationInput {
  registrationId: string;
  tokenHash: string;
  policy: StepName[];
  rules: RegistrationRules;
  /** Identity as the client stated it. If the policy has the step `directory`, the directory entry replaces it. */
  identity: ContactIdentity;
  /** Milliseconds since the Unix epoch. */
  startedAt: number;
  /** Language of the messages, as returned by `languageFor`. */
  locale?: string;
  client?: ClientKind;
}

/** What every update of the user brings along. */
export interface StepRequest {
  /** The proofs that the api has stored since the last update. */
  proofs?: CarriedProofs;
}

/**
 * The result of a step. `waiting`: a dependency is unavailable and the step continues automatically. `lost`: the
 * one-time secret has expired and must be sent again. `own-word`: the password is the name, address or number of the
 * user. `somebody-else`: the step was already completed as another user. `limited`: the tries of the person are used up,
 * under whichever name.
 */
export interface StepAnswer {
  outcome: 'done' | 'refused' | 'lost' | 'own-word' | 'waiting' | 'somebody-else' | 'limited';
  status: RegistrationStatus;
  /** Of `limited`: when the next try is possible. */
  retryAfterSeconds?: number;
}

/** The answer of the devices of the existing account. */
export interface ApprovalAnswer {
  linkId: string;
  outcome: Exclude<AskedApproval['outcome'], 'asked'>;
  /** Of `approved`: the identity key of the account, base64. */
  identityKey?: string;
}

/** A request to register at the Signal-Server. Attributes, keys and password are in Redis under the reference. */
export interface SignalStepRequest extends StepRequest {
  requestRef: string;
  /** Keyed hash of the request. */
  requestHash: string;
  /** One-time keys are uploaded after the registration. */
  hasPreKeys: boolean;
}

/** The result of the step `signal`. `lost`: a newer request has replaced this one. */
export interface SignalStepAnswer extends StepAnswer {
  /** Of `refused`. */
  refusal?: SignalRefusal;
}

/** An operator's request. The user never sends one, so its presence identifies an operator. */
export interface OperatorRequest {
  /** Operator name for the timeline: up to 64 letters, digits, dots, dashes and underscores. */
  by?: string | undefined;
}

/** A cancellation by an operator, or by the owner of the number or address. The user cancels without a request. */
export interface CancelRequest extends OperatorRequest {
  /** Set when the owner cancels; absent for an operator. */
  reason?: 'stopped-by-owner';
}

/** Returns the status of the registration. */
export const registrationStatus = defineQuery<RegistrationStatus>('registrationStatus');
/** Binds to the directory as the user. A newer update replaces an older one that waits for the directory. */
export const authenticate = defineUpdate<StepAnswer, [StepRequest & { username: string; passwordRef: string }]>(
  'authenticate',
);
/** Records that a captcha was verified. */
export const passCaptcha = defineUpdate<StepAnswer, [StepRequest]>('passCaptcha');
/** Sends a code. Returns before it is sent. */
export const requestCode = defineUpdate<RegistrationStatus, [StepRequest & { channel: Channel }]>('requestCode');
/** Records that the right code was typed. `send` identifies the proven channel. */
export const confirmCode = defineUpdate<StepAnswer, [StepRequest & { send?: number | undefined }]>('confirmCode');
/** Hashes and stores a password, a PIN or both. */
export const setCredentials = defineUpdate<StepAnswer, [StepRequest & { credentialsRef: string }]>('setCredentials');
/** Records that the device was described and stored. The keys are in the store, under the id of the registration. */
export const setDevice = defineUpdate<StepAnswer, [StepRequest & { identityKey: string }]>('setDevice');
/** Records that the devices of the existing account are asked for an approval. */
export const askApproval = defineUpdate<StepAnswer, [StepRequest & { linkId: string }]>('askApproval');
/** A device of the existing account has answered, or the question has expired. */
export const approvalAnswered = defineSignal<[ApprovalAnswer]>('approvalAnswered');
/** Registers the number at the Signal-Server. A newer update replaces an older one that waits for the server. */
export const registerAtSignal = defineUpdate<SignalStepAnswer, [SignalStepRequest]>('registerAtSignal');
/** Records that the PIN of the existing account was typed. */
export const approve = defineUpdate<StepAnswer, [StepRequest]>('approve');
/** Ends the registration and runs its compensations. An operator and an owner send a request, the user sends none. */
export const cancel = defineUpdate<RegistrationStatus, [CancelRequest | undefined]>('cancel');
/** Operator: calls every unavailable dependency again now, without waiting for the next scheduled attempt. */
export const retryStep = defineUpdate<RegistrationStatus, [OperatorRequest]>('retryStep');
/** Operator: gives up a send that waits for its provider or was refused, and sends a new code by another channel. */
export const switchChannel = defineUpdate<RegistrationStatus, [OperatorRequest & { channel: Channel }]>(
  'switchChannel',
);
