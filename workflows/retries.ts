/** How activities are repeated: the same for every flow. */

/** Failures are refusals by name and outages: the flow decides on both, so Temporal repeats only crashes and bugs. */
export const retry = { initialInterval: '200ms', backoffCoefficient: 2, maximumInterval: '10s' } as const;

/** Longest silence of an activity before another worker gets it; workers say something every second. */
export const heartbeatTimeout = '4s';

/** Short steps in Redis, beside the workflow. */
export const localStep = { startToCloseTimeout: '5s', retry: { ...retry, maximumInterval: '5s' } } as const;
