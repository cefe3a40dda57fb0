/**
 * The progress of activities: details that heartbeats carry, so that a later attempt continues where the last one was. Every
 * heartbeat of an attempt carries the latest ones, because Temporal keeps only those of the last heartbeat.
 */
import { Context } from '@temporalio/activity';

const saved = new WeakMap<Context, unknown>();

/** The progress of the activity that is running. */
export const progress = {
  /** Returns what the last attempt saved; undefined if it saved nothing, or there was none. */
  read: (): unknown => Context.current().info.heartbeatDetails ?? undefined,

  /** Saves details, which must survive JSON. */
  save(details: unknown): void {
    const context = Context.current();
    saved.set(context, details);
    context.heartbeat(details);
  },
};

/** Sends a heartbeat of an activity. */
export function heartbeat(context: Context): void {
  context.heartbeat(saved.get(context) ?? context.info.heartbeatDetails);
}
