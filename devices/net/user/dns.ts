/**
 * The net's name server: it knows the host's table of names, and asks the host's resolvers for everything else.
 *
 * A name that the host's table gives a loopback address is the host itself, so the guest is told the gateway's; `localhost` stays what it is. Other
 * queries go to the host's resolvers as they are, one after the other until one answers. A host without resolvers is asked for addresses by its own
 * means (`getaddrinfo`); what else a guest wants to know is then not implemented. Queries by TCP are not for this file: they are connections to the first
 * resolver, which knows nothing of the host's table.
 *
 * @module
 */
import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { parseAddress, writeAddress } from './address.ts';
import { answer, DNS_TYPE, type Question, RCODE, readQuestion } from './dns-message.ts';
import type { HostNames } from './host-names.ts';

export const DNS_PORT = 53;
const QUERIES_MAX = 256;
const PATIENCE_MS = 2500;

type Reply = (message: Uint8Array) => void;

export class Dns {
  readonly #names: HostNames;
  readonly #gateway: number;
  readonly #port: number;
  #asking = 0;

  /** `port` is that of the host's resolvers. */
  constructor(names: HostNames, gateway: number, port = DNS_PORT) {
    this.#names = names;
    this.#gateway = gateway;
    this.#port = port;
  }

  /** Answers a query, now or later; a query too many is lost, and so is what is none. */
  query(message: Uint8Array, reply: Reply): void {
    const question = readQuestion(message);
    if (question !== undefined) {
      const known = this.#known(question);
      if (known !== undefined) {
        reply(answer(question, RCODE.NO_ERROR, known));
        return;
      }
    }
    if (this.#asking >= QUERIES_MAX || message.length < 12) return;
    this.#asking++;
    const done: Reply = (bytes) => {
      this.#asking--;
      if (bytes.length > 0) reply(bytes);
    };
    const { servers } = this.#names;
    if (servers.length > 0) forward(Buffer.from(message), servers, this.#port, question, done);
    else if (question === undefined) done(new Uint8Array(0));
    else ask(question, done);
  }

  /** What the host's table says; undefined when that is nothing. */
  #known(question: Question): Uint8Array[] | undefined {
    if (question.type !== DNS_TYPE.A && question.type !== DNS_TYPE.AAAA) return undefined;
    const addresses = this.#names.find(question.name);
    if (addresses === undefined) return undefined;
    if (question.type === DNS_TYPE.AAAA) return [];
    return addresses.filter((address) => isIP(address) === 4).map((address) => this.#seen(question.name, address));
  }

  #seen(name: string, text: string): Uint8Array {
    const bytes = new Uint8Array(4);
    const address = parseAddress(text) as number;
    writeAddress(bytes, 0, address >>> 24 === 127 && name !== 'localhost' ? this.#gateway : address);
    return bytes;
  }
}

/** Asks one server after the other. */
function forward(query: Buffer, servers: readonly string[], port: number, question: Question | undefined, done: Reply): void {
  const [server, ...others] = servers;
  const next = (): void => {
    clearTimeout(timer);
    close(socket);
    if (others.length > 0) forward(query, others, port, question, done);
    else done(question === undefined ? new Uint8Array(0) : answer(question, RCODE.SERVER_FAILURE));
  };
  const socket = createSocket(isIP(server) === 6 ? 'udp6' : 'udp4');
  const timer = setTimeout(next, PATIENCE_MS);
  timer.unref();
  socket.unref();
  socket.on('error', next);
  socket.on('message', (message) => {
    if (message.length < 12 || message[0] !== query[0] || message[1] !== query[1]) return;
    clearTimeout(timer);
    close(socket);
    done(message);
  });
  socket.once('connect', () => socket.send(query));
  socket.connect(port, server);
}

function close(socket: Socket): void {
  socket.removeAllListeners();
  socket.on('error', () => {
    // It is closed: what it still says is of no query any more.
  });
  socket.close();
}

/** Asks the host's own means. */
function ask(question: Question, done: Reply): void {
  if (question.type !== DNS_TYPE.A) {
    done(answer(question, question.type === DNS_TYPE.AAAA ? RCODE.NO_ERROR : RCODE.NOT_IMPLEMENTED));
    return;
  }
  lookup(question.name, { family: 4, all: true }, (error, found) => {
    if (error !== null) done(answer(question, error.code === 'ENOTFOUND' ? RCODE.NAME_ERROR : RCODE.SERVER_FAILURE));
    else
      done(
        answer(
          question,
          RCODE.NO_ERROR,
          found.map(({ address }) => Uint8Array.from(address.split('.'), Number)),
        ),
      );
  });
}
