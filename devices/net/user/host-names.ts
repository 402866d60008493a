/**
 * What the host knows of names: its resolvers (resolv.conf(5)) and its table of names (hosts(5)), read again when they may have changed.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';

const FRESH_MS = 5000;
const FILE_MAX = 1048576;

export class HostNames {
  readonly #resolvPath: string;
  readonly #hostsPath: string;
  readonly #now: () => number;
  #readAt = Number.NEGATIVE_INFINITY;
  #servers: string[] = [];
  #hosts = new Map<string, string[]>();

  constructor(now: () => number, resolvPath = '/etc/resolv.conf', hostsPath = '/etc/hosts') {
    this.#now = now;
    this.#resolvPath = resolvPath;
    this.#hostsPath = hostsPath;
  }

  /** Addresses of the host's resolvers, in order. */
  get servers(): readonly string[] {
    this.#refresh();
    return this.#servers;
  }

  /** Addresses of a name in lower case; undefined when the table does not have it. */
  find(name: string): readonly string[] | undefined {
    this.#refresh();
    return this.#hosts.get(name);
  }

  #refresh(): void {
    if (this.#now() - this.#readAt < FRESH_MS) return;
    this.#readAt = this.#now();
    this.#servers = parseResolvers(textOf(this.#resolvPath));
    this.#hosts = parseHosts(textOf(this.#hostsPath));
  }
}

/** A host without the file is a host that says nothing there. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1').slice(0, FILE_MAX);
  } catch {
    return '';
  }
}

export function parseResolvers(text: string): string[] {
  return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, address]) => address).filter((address) => isIP(address) !== 0);
}

export function parseHosts(text: string): Map<string, string[]> {
  const hosts = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [address, ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (isIP(address) === 0) continue;
    for (const name of names) hosts.set(name.toLowerCase(), [...(hosts.get(name.toLowerCase()) ?? []), address]);
  }
  return hosts;
}
