/**
 * A proxy to a database that a test shuts, that shuts at the next insert into a collection, or that answers commands in the
 * place of the server.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { answerTo, commandIn, createMessageReader } from './mongo-messages.ts';

/** A running proxy, open at first. */
export interface DatabaseGate extends AsyncDisposable {
  /** Replaces the URL of the database server; contains no database name. */
  readonly url: string;
  /** Whether it is shut. */
  readonly isShut: boolean;
  /** Lets nothing through any more. */
  shut(): void;
  /** Shuts at the next insert into a collection; that insert does not get through. */
  shutAtInsertInto(collection: string): void;
  /** Answers these commands with a document. They do not get through. */
  answer(commands: readonly string[], document: object): void;
  /** Lets all connections and commands through again. */
  open(): void;
}

/** Starts a proxy to the database server at a URL. */
export async function startDatabaseGate(databaseUrl: string): Promise<DatabaseGate> {
  const { hostname, port } = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let isShut = false;
  let trigger: Buffer | undefined;
  let answered: { commands: readonly string[]; document: object } | undefined;

  const server: Server = createServer((socket) => {
    if (isShut) return socket.destroy();
    const upstream = connect(Number(port), hostname);
    for (const end of [socket, upstream]) {
      sockets.add(end);
      end.on('error', () => undefined);
      end.on('close', () => {
        sockets.delete(end);
        socket.destroy();
        upstream.destroy();
      });
    }
    const read = createMessageReader();
    socket.on('data', (bytes: Buffer) => {
      for (const message of read(bytes)) pass(message, socket, upstream);
    });
    upstream.pipe(socket);
  });

  function pass(message: Buffer, socket: Socket, upstream: Socket): void {
    if (trigger !== undefined && message.includes(trigger)) {
      shut();
      return;
    }
    const command = commandIn(message);
    const isAnswered = command !== undefined && answered?.commands.includes(command.name);
    if (isAnswered) socket.write(answerTo(command, answered?.document ?? {}));
    else upstream.write(message);
  }

  function shut(): void {
    isShut = true;
    for (const socket of sockets) socket.destroy();
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('No port');
  return {
    url: `mongodb://127.0.0.1:${address.port}`,
    get isShut() {
      return isShut;
    },
    shut,
    shutAtInsertInto(collection) {
      // in BSON, a string element: type, the name `insert`, and the length including the trailing zero
      const length = Buffer.alloc(4);
      length.writeInt32LE(collection.length + 1);
      trigger = Buffer.concat([Buffer.from('\x02insert\0'), length, Buffer.from(`${collection}\0`)]);
    },
    answer(commands, document) {
      answered = { commands, document };
    },
    open() {
      isShut = false;
      trigger = undefined;
      answered = undefined;
    },
    async [Symbol.asyncDispose]() {
      shut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
