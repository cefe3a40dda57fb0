/** The baseline of a gRPC call: an echo server on a free port, which it prints. */
import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';

const asItIs = (bytes: Buffer) => bytes;
const method = {
  path: '/bench.Echo/Echo',
  requestStream: false,
  responseStream: false,
  requestSerialize: asItIs,
  requestDeserialize: asItIs,
  responseSerialize: asItIs,
  responseDeserialize: asItIs,
};

const server = new Server();
server.addService({ Echo: method } as ServiceDefinition, {
  Echo: (call: { request: Buffer }, done: (err: null, answer: Buffer) => void) => done(null, call.request),
});
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (_err, port) => console.log(port));
process.once('SIGTERM', () => server.forceShutdown());
