/**
 * The parser of Socket.IO with two bounds that the library does not have. It calls listeners with the values of a packet
 * as arguments, and a hundred thousand of them overflow the stack outside of any handler. And it collects up to ten
 * binary attachments of a packet, although no event here has one.
 */
import { Encoder, Decoder as LibraryDecoder, type Packet } from 'socket.io-parser';

/** A request has an event and a body. What is cut off here makes a request malformed all the same. */
const valuesMax = 8;

class Decoder extends LibraryDecoder {
  constructor() {
    super({ maxAttachments: 1 });
    // the first listener, so that the server sees what it leaves
    this.on('decoded', cutValues);
  }
}

function cutValues({ data }: Packet): void {
  if (Array.isArray(data) && data.length > valuesMax) data.length = valuesMax;
}

/** The option `parser` of a server. */
export const boundedParser = { Encoder, Decoder };
