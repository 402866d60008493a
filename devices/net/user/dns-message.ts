/**
 * DNS messages (RFC 1035) as far as a forwarder reads and makes them: one question, and answers of addresses.
 *
 * @module
 */

export const DNS_TYPE = { A: 1, AAAA: 28 } as const;
export const RCODE = { NO_ERROR: 0, SERVER_FAILURE: 2, NAME_ERROR: 3, NOT_IMPLEMENTED: 4 } as const;

const HEADER_BYTES = 12;
const CLASS_IN = 1;
const NAME_MAX = 255;
const TTL_SECONDS = 60;
/** Answers that fit a message of 512 bytes whatever the question is. */
const ANSWERS_MAX = 8;

export interface Question {
  readonly id: number;
  /** In lower case, without a last dot. */
  readonly name: string;
  readonly type: number;
  /** The whole question as it stands in the message. */
  readonly bytes: Uint8Array;
  readonly recursionDesired: boolean;
}

/** Reads a query of one question in the class of the Internet; undefined when the message is anything else. */
export function readQuestion(message: Uint8Array): Question | undefined {
  // QR, opcode, and one question.
  if (message.length < HEADER_BYTES || (message[2] & 0xf8) !== 0 || message[4] !== 0 || message[5] !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > 63 || at + 1 + length > message.length || at - HEADER_BYTES > NAME_MAX) return undefined;
    at++;
    if (length === 0) break;
    labels.push(String.fromCharCode(...message.subarray(at, at + length)).toLowerCase());
    at += length;
  }
  if (at + 4 > message.length || ((message[at + 2] << 8) | message[at + 3]) !== CLASS_IN) return undefined;
  return {
    id: (message[0] << 8) | message[1],
    name: labels.join('.'),
    type: (message[at] << 8) | message[at + 1],
    bytes: message.slice(HEADER_BYTES, at + 4),
    recursionDesired: (message[2] & 1) !== 0,
  };
}

/** An answer to the question: its addresses, each of four or sixteen bytes as its type has them. */
export function answer(question: Question, rcode: number, addresses: readonly Uint8Array[] = []): Uint8Array {
  const given = addresses.slice(0, ANSWERS_MAX);
  const each = 12 + (given[0]?.length ?? 0);
  const message = new Uint8Array(HEADER_BYTES + question.bytes.length + given.length * each);
  message[0] = question.id >> 8;
  message[1] = question.id;
  message[2] = 0x80 | (question.recursionDesired ? 1 : 0);
  message[3] = 0x80 | rcode;
  message[5] = 1;
  message[7] = given.length;
  message.set(question.bytes, HEADER_BYTES);
  let at = HEADER_BYTES + question.bytes.length;
  for (const address of given) {
    // The question's name, type, class, time to live, length.
    message.set([0xc0, HEADER_BYTES, 0, question.type, 0, CLASS_IN, 0, 0, 0, TTL_SECONDS, 0, address.length], at);
    message.set(address, at + 12);
    at += each;
  }
  return message;
}
