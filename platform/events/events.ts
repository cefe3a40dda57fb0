/**
 * The business events: one function per event. It increments a metric, writes a log line and records an audit event.
 * The functions never throw. A metric label is never an id. Phone numbers, addresses, codes and tokens appear in none
 * of the three. A value passed as `identity` is recorded as a pseudonym.
 */
import type { Registry } from 'prom-client';
import type { Recorder } from '../audit.ts';
import type { Logger } from '../log.ts';
import { createAccountEvents, createProfileEvents } from './accounts.ts';
import { createAuditLogEvents } from './audit-log.ts';
import { createCodeEvents, createSendTryEvents } from './codes.ts';
import { createCredentialEvents } from './credentials.ts';
import { createDeliveryReportEvents } from './delivery-reports.ts';
import { createLinkEvents } from './device-links.ts';
import { createDeviceEvents } from './devices.ts';
import { createDurationEvents } from './durations.ts';
import { createArchiveEvents, createInboxEvents, createInboxWarnings } from './inboxes.ts';
import { createKeyEvents } from './keys.ts';
import { createLimitEvents } from './limits.ts';
import { createConversationEvents, createMessageEvents } from './messages.ts';
import { createNotificationEvents } from './notifications.ts';
import { createOperatorEvents } from './operators.ts';
import { createOutputs } from './outputs.ts';
import { createProcessEvents } from './processes.ts';
import { createPushEvents, createWakeUpEvents } from './push.ts';
import { createRegistrationEvents, createStepEvents } from './registrations.ts';
import { createRequestEvents } from './requests.ts';
import { createLoginEvents, createSessionEvents } from './sessions.ts';
import { createSocketEvents } from './sockets.ts';

/** The event functions of a process. */
export type Events = ReturnType<typeof createEvents>;

/** Creates the event functions of a process. */
export function createEvents(log: Logger, registry: Registry, record: Recorder) {
  const outputs = createOutputs(log, registry, record);
  return {
    ...createRegistrationEvents(outputs),
    ...createStepEvents(outputs),
    ...createCodeEvents(outputs),
    ...createSendTryEvents(outputs),
    ...createLoginEvents(outputs),
    ...createSessionEvents(outputs),
    ...createDeliveryReportEvents(outputs),
    ...createCredentialEvents(outputs),
    ...createLinkEvents(outputs),
    ...createAccountEvents(outputs),
    ...createProfileEvents(outputs),
    ...createDeviceEvents(outputs),
    ...createNotificationEvents(outputs),
    ...createPushEvents(outputs),
    ...createWakeUpEvents(outputs),
    ...createRequestEvents(outputs),
    ...createLimitEvents(outputs),
    ...createKeyEvents(outputs),
    ...createMessageEvents(outputs),
    ...createInboxEvents(outputs),
    ...createInboxWarnings(outputs),
    ...createArchiveEvents(outputs),
    ...createConversationEvents(outputs),
    ...createSocketEvents(outputs),
    ...createOperatorEvents(outputs),
    ...createProcessEvents(outputs),
    ...createAuditLogEvents(outputs),
    ...createDurationEvents(outputs),
  };
}
