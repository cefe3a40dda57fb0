/** Retry policies and timeouts that all workflows share. */

/** Retry policy. Workflows handle every `Failure`, refusals and outages alike; Temporal retries all other errors. */
export const retry = { initialInterval: '200ms', backoffCoefficient: 2, maximumInterval: '10s' } as const;

/** Time without a heartbeat after which another worker gets the activity. Workers send one every second. */
export const heartbeatTimeout = '4s';

/** Options of local activities: short steps in Redis, run in the workflow worker. */
export const localStep = { startToCloseTimeout: '5s', retry: { ...retry, maximumInterval: '5s' } } as const;
