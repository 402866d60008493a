/**
 * `--nic`: a NIC in the manner of QEMU's `-nic`.
 *
 * @module
 */
import { isIP } from 'node:net';
import type { BackendOptions, HostForward, NicOptions } from '../../devices/net/options.ts';
import { parseUserWords, USER_WORDS, type UserWord } from '../../devices/net/user/options.ts';
import { commaWords, UsageError } from './options.ts';

const LOOPBACK = '127.0.0.1';
const USAGE = 'write user[,hostfwd=tcp:HOSTPORT:GUESTPORT], pcap:FILE, link:SOCKET or none';

/**
 * The NICs of a snapshot with other ports, sockets and captures behind them: the first may still be in use by the VM that went on. What the guest knows stays, and
 * so does the kind of each back end. Throws UsageError.
 */
export function replaced(saved: readonly NicOptions[], given: readonly NicOptions[]): NicOptions[] {
  if (given.length !== saved.length)
    throw new UsageError(`--nic: the machine that was saved has ${saved.length} of them; give all or none`);
  return given.map(({ backend, capture, ...more }, i) => {
    const { backend: before, ...nic } = saved[i] as NicOptions;
    if (backend.kind !== before.kind) throw new UsageError(`--nic ${backend.kind}: the machine that was saved has ${before.kind} there`);
    const [other] = Object.keys(more);
    if (other !== undefined) throw new UsageError(`--nic: only what is behind a NIC can be another one after --restore, not ${other}`);
    return { ...nic, backend, capture };
  });
}

/** What is said after the back end. */
interface Words {
  mac?: string;
  capture?: string;
  macNospoof?: boolean;
  allowedIps?: readonly string[];
  restrict?: boolean;
  forwards: HostForward[];
  /** Of the user-mode network. */
  user: Partial<Record<UserWord, string>>;
}

/** One `--nic`. A comma that belongs to a file's name is written twice. Throws UsageError. */
export function parseNic(text: string): NicOptions {
  const [what = '', ...parts] = commaWords(text);
  const words: Words = { forwards: [], user: {} };
  for (const part of parts) takeWord(words, part, text);
  const { forwards, restrict, user, ...nic } = words;
  const backend = backendOf(what, text, words);
  if (backend.kind !== 'user' && (forwards.length > 0 || restrict === true))
    throw new UsageError(`--nic ${text}: hostfwd and restrict are of user alone`);
  const [word] = Object.keys(user);
  if (backend.kind !== 'user' && word !== undefined) throw new UsageError(`--nic ${text}: ${word} is of user alone`);
  return { backend, ...nic };
}

function backendOf(what: string, text: string, { forwards, restrict = false, user }: Words): BackendOptions {
  if (what === 'none') return { kind: 'none' };
  if (what === 'user') return { kind: 'user', forwards, restrict, ...userNet(user, text) };
  const cut = what.indexOf(':');
  const [kind, path] = [what.slice(0, cut), what.slice(cut + 1)];
  if (cut < 0 || (kind !== 'pcap' && kind !== 'link')) throw new UsageError(`--nic ${text}: '${what}' is unknown; ${USAGE}`);
  if (path === '') throw new UsageError(`--nic ${text}: which ${kind === 'pcap' ? 'capture' : 'socket'}? write ${kind}:FILE`);
  return { kind, path };
}

function userNet(words: Words['user'], text: string): ReturnType<typeof parseUserWords> {
  try {
    return parseUserWords(words);
  } catch (error) {
    throw new UsageError(`--nic ${text}: ${(error as Error).message}`);
  }
}

function takeWord(words: Words, part: string, text: string): void {
  const cut = part.indexOf('=');
  const key = cut < 0 ? part : part.slice(0, cut);
  const value = cut < 0 ? undefined : part.slice(cut + 1);
  const switches = ['restrict', 'mac-nospoof'];
  if (switches.includes(key)) {
    if (value !== undefined) throw new UsageError(`--nic ${text}: ${key} takes no value`);
    if (key === 'restrict') words.restrict = true;
    else words.macNospoof = true;
    return;
  }
  const userWord = USER_WORDS.find((word) => word === key);
  if (userWord === undefined && !['mac', 'pcap', 'allowed-ips', 'hostfwd'].includes(key)) {
    throw new UsageError(
      `--nic ${text}: '${part}' is unknown; there is hostfwd=, pcap=, mac=, restrict, allowed-ips=, mac-nospoof, ${USER_WORDS.join('=, ')}=`,
    );
  }
  if (value === undefined || value === '') throw new UsageError(`--nic ${text}: ${key} needs a value`);
  if (userWord !== undefined) words.user[userWord] = value;
  else if (key === 'mac') words.mac = parseMac(value, text);
  else if (key === 'pcap') words.capture = value;
  else if (key === 'allowed-ips') words.allowedIps = value.split('+').map((ip) => parseIp(ip, text));
  else words.forwards.push(parseForward(value, text));
}

function parseMac(value: string, text: string): string {
  const mac = value.toLowerCase().replaceAll('-', ':');
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac))
    throw new UsageError(`--nic ${text}: '${value}' is no MAC address; write 52:54:00:12:34:56`);
  if ((Number.parseInt(mac.slice(0, 2), 16) & 1) !== 0 || mac === '00:00:00:00:00:00')
    throw new UsageError(`--nic ${text}: '${value}' is no address of one NIC; its first byte must be even, such as 52`);
  return mac;
}

function parseIp(ip: string, text: string): string {
  if (isIP(ip) === 0 || ip.includes('%'))
    throw new UsageError(`--nic ${text}: '${ip}' is no IP address; write allowed-ips=10.0.2.15+fec0::15`);
  return ip;
}

/** `tcp:2222:22`, `tcp:127.0.0.1:2222:22`, `udp:[::1]:53:53`, and QEMU's `tcp::2222-:22`. */
function parseForward(value: string, text: string): HostForward {
  const match = /^(tcp|udp):(?:(\[[^\]]*\]|[^:]*):)?(\d+)(?:-[^:]*)?:(\d+)$/.exec(value);
  if (match === null) throw new UsageError(`--nic ${text}: '${value}' is no forward; write hostfwd=tcp:HOSTPORT:GUESTPORT`);
  const [, protocol, given = '', host, guest] = match as unknown as [string, 'tcp' | 'udp', string | undefined, string, string];
  const hostAddress = given.replace(/^\[|\]$/g, '') || LOOPBACK;
  if (isIP(hostAddress) === 0) throw new UsageError(`--nic ${text}: '${hostAddress}' is no IP address of this host`);
  return { protocol, hostAddress, hostPort: parsePort(host, text, 0), guestPort: parsePort(guest, text, 1) };
}

function parsePort(digits: string, text: string, least: number): number {
  const port = Number(digits);
  if (port < least || port > 65535) throw new UsageError(`--nic ${text}: '${digits}' is no port; it is a number from ${least} to 65535`);
  return port;
}
