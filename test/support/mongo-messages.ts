/**
 * Messages of the wire protocol of MongoDB: what a client sends, cut into messages, and answers in the place of a server.
 * https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
 */
import { mongo } from 'mongoose';

const { BSON } = mongo;
const headerBytes = 16;
/** OP_MSG */
const opMsg = 2013;

/** A command of a client. */
export interface Command {
  requestId: number;
  /** Such as `insert`. */
  name: string;
}

/** Returns a function that takes bytes as they come, and returns the messages that are complete. */
export function createMessageReader(): (bytes: Buffer) => Buffer[] {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    const messages: Buffer[] = [];
    while (rest.length >= headerBytes && rest.length >= rest.readInt32LE(0)) {
      messages.push(rest.subarray(0, rest.readInt32LE(0)));
      rest = rest.subarray(rest.readInt32LE(0));
    }
    return messages;
  };
}

/** Returns the command in a message; undefined for one of another kind, such as the first of a connection. */
export function commandIn(message: Buffer): Command | undefined {
  if (message.readInt32LE(12) !== opMsg) return undefined;
  // the flags, then the kind of the first section, which is its body; the first field names the command
  const body = message.subarray(headerBytes + 5);
  const [name = ''] = Object.keys(BSON.deserialize(body.subarray(0, body.readInt32LE(0))));
  return { requestId: message.readInt32LE(4), name };
}

/** Returns the message that answers a command. */
export function answerTo({ requestId }: Command, document: object): Buffer {
  const body = BSON.serialize(document);
  const header = Buffer.alloc(headerBytes + 5);
  header.writeInt32LE(header.length + body.length, 0);
  header.writeInt32LE(requestId, 8);
  header.writeInt32LE(opMsg, 12);
  return Buffer.concat([header, body]);
}
