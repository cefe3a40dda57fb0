/** A Temporal server whose clock jumps to the next timer, so that hours of waiting pass in seconds. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import { Connection } from '@temporalio/client';
import proto from '@temporalio/proto';
import { startChild } from '../../engines/child.ts';
import { type DataFolder, openTemporaryFolder } from '../../engines/data-folder.ts';
import { debianProgram, obtain } from '../../engines/obtain.ts';
import { freePort } from '../../engines/ports.ts';
import { addSearchAttributes } from '../../engines/temporal.ts';
import { runTool } from '../../engines/tools.ts';

const version = '1.32.1';

const { SleepRequest, TestService } = proto.temporal.api.testservice.v1;

/** A server with the namespace `default`. Time is real except during `sleep`. */
export interface TimeSkippingServer extends AsyncDisposable {
  address: string;
  /** Milliseconds since the Unix epoch, as workflows see it. */
  now(): Promise<number>;
  /** Advances time at once: every timer on the way fires, and the clock waits for the work it starts. */
  sleep(ms: number): Promise<void>;
}

/** Starts Temporal's test server, which is downloaded once from Maven Central. */
export async function startTimeSkippingServer(): Promise<TimeSkippingServer> {
  const folder = await openTemporaryFolder();
  const java = await debianProgram('java', ['openjdk-17-jre-headless'], folder);
  const jars = await obtain(`temporal-test-server-${version}`, [fromMaven(folder)], folder);
  const port = await freePort();
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const service = TestService.create(({ name }, request, callback) => {
    const asItIs = (bytes: Uint8Array) => Buffer.from(bytes);
    const path = `/temporal.api.testservice.v1.TestService/${name}`;
    client.makeUnaryRequest(path, asItIs, asItIs, request, (err, answer) => callback(err, answer));
  });
  const now = async () => Number((await service.getCurrentTime({})).time?.seconds ?? 0) * 1000;
  await startChild(folder, {
    name: 'temporal-test-server',
    command: java,
    args: ['-XX:TieredStopAtLevel=1', '-cp', join(jars, '*'), 'io.temporal.testserver.TestServer', String(port)],
    ready: now,
  });
  const connection = await Connection.connect({ address: `127.0.0.1:${port}` });
  await addSearchAttributes(connection, 'default');
  await connection.close();
  return {
    address: `127.0.0.1:${port}`,
    now,
    async sleep(ms) {
      await service.unlockTimeSkippingWithSleep(
        SleepRequest.fromObject({ duration: { seconds: Math.ceil(ms / 1000) } }),
      );
    },
    async [Symbol.asyncDispose]() {
      client.close();
      await folder.close();
    },
  };
}

function fromMaven(folder: DataFolder) {
  return {
    what: `Maven Central, io.temporal:temporal-test-server:${version} (33 MB, about a minute)`,
    isPossible: true,
    async make(target: string) {
      const maven = await debianProgram('mvn', ['maven'], folder);
      writeFileSync(join(target, 'pom.xml'), project);
      const copy = ['-q', '-B', 'dependency:copy-dependencies', `-DoutputDirectory=${target}`];
      await runTool(folder, maven, copy, { cwd: target });
    },
  };
}

const project = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>vyry</groupId><artifactId>tests</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>io.temporal</groupId><artifactId>temporal-test-server</artifactId><version>${version}</version>
  </dependency></dependencies>
</project>
`;
