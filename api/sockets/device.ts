/** What a connection has of its device: the lease, the inbox and the state of its one-time keys. */
import { deviceIn, keysLeft } from '../../domain/device.ts';
import { keysLowBelow } from '../../domain/one-time-keys.ts';
import type { ApiDeps } from '../deps.ts';
import { withMirror } from '../device-mirror.ts';
import { withoutLost } from '../inbox.ts';
import { type WakeUpDeps, wakeUp } from '../wake-up.ts';
import type { Connection } from './connection.ts';
import { Delivery, type DeliveryDeps } from './delivery.ts';

/** The dependencies of connected devices. */
export type DeviceDeps = DeliveryDeps & WakeUpDeps & Pick<ApiDeps, 'sessions'>;

/**
 * Takes the lease of the device of a connection and delivers its inbox. A session without a device gets no messages.
 * Resolves when the backlog is delivered.
 */
export async function openDevice(deps: DeviceDeps, connection: Connection, nodeId: string): Promise<void> {
  const { userId, deviceId } = connection;
  if (deviceId === undefined) return await endIfRevoked(deps, connection);
  const device = { userId, deviceId };
  const delivery = new Delivery(deps, device, {
    emit: connection.emit,
    onFailure(err) {
      deps.events.dependencyFailed(err);
      connection.close('error');
    },
    now: () => connection.now(),
  });
  // before the lease, so that nothing that is published for it is missed
  connection.delivery = delivery;
  const at = { nodeId, connectionId: connection.connectionId };
  const opened = await withMirror(deps, userId, () => deps.inboxes.connect(device, at));
  if (opened === undefined) return connection.end('revoked');
  connection.hasLease = true;
  await endIfRevoked(deps, connection);
  await delivery.begin(await withoutLost(deps, device, opened));
  // the inbox does not need MongoDB, so its outage ends no connection
  await tellLow(deps, connection, deviceId).catch((err: unknown) => deps.events.dependencyFailed(err));
}

/** Ends the lease of a connection, and wakes its device up if messages wait. Safe to repeat. */
export async function closeDevice(deps: DeviceDeps, connection: Connection, nodeId: string): Promise<void> {
  const { userId, deviceId, connectionId, delivery } = connection;
  if (deviceId === undefined || !connection.hasLease) return;
  await delivery?.close();
  const { wake } = await deps.inboxes.disconnect({ userId, deviceId }, { nodeId, connectionId });
  if (wake) void wakeUp(deps, { userId, deviceId, reason: 'message' });
}

/** A session that ended between the handshake and now was not found among the connections of its user. */
async function endIfRevoked({ sessions }: DeviceDeps, connection: Connection): Promise<void> {
  if ((await sessions.read(connection.session)) === undefined) connection.end('revoked');
}

async function tellLow({ devices }: DeviceDeps, connection: Connection, deviceId: string): Promise<void> {
  const device = deviceIn(await devices.read(connection.userId), deviceId);
  if (device === undefined) return;
  const [count, pqCount] = [keysLeft(device.preKeys), keysLeft(device.pqPreKeys)];
  if (Math.min(count, pqCount) < keysLowBelow) connection.emit('keys:low', { count, pqCount });
}
