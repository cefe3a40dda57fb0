/**
 * Loaded before everything else in each thread of the role `registration`.
 *
 * The SDK of Temporal takes a stack trace of every promise that a workflow makes, for the tab "Stack Trace" of the Web UI.
 * That is a third of the processor time of the workflow thread. What a workflow waits for is in its current details, and
 * errors keep their stack traces, so the hook is not installed: the tab is empty.
 */
import v8 from 'node:v8';

v8.promiseHooks.createHook = () => () => undefined;
