/**
 * Where a guest may send, what that is on the host, and why it did not get there.
 *
 * @module
 */
import { formatAddress, isUnroutable, type Subnet } from './address.ts';
import { UNREACHABLE, type UnreachableCode } from './icmp.ts';

/** The host's own loopback address, which the gateway stands for. */
export const LOOPBACK = '127.0.0.1';

/** The host's address for one of the guest's view, or why there is none. */
export function reach(subnet: Subnet, restrict: boolean, target: number): string | UnreachableCode {
  if (target === subnet.dns) return UNREACHABLE.PORT;
  if (restrict) return UNREACHABLE.PROHIBITED;
  if (target === subnet.gateway) return LOOPBACK;
  return subnet.has(target) || isUnroutable(target) ? UNREACHABLE.HOST : formatAddress(target);
}

/** What an error of the host's network is called in ICMP; undefined when it only means that a datagram was lost. */
export function codeOf(error: NodeJS.ErrnoException): UnreachableCode | undefined {
  switch (error.code) {
    case 'ECONNREFUSED':
      return UNREACHABLE.PORT;
    case 'ENETUNREACH':
    case 'ENETDOWN':
      return UNREACHABLE.NET;
    case 'EHOSTUNREACH':
    case 'EHOSTDOWN':
    case 'ETIMEDOUT':
      return UNREACHABLE.HOST;
    case 'EACCES':
    case 'EPERM':
      return UNREACHABLE.PROHIBITED;
    default:
      return undefined;
  }
}
