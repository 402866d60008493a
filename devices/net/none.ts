/**
 * A cable that leads nowhere: what the guest sends is gone, and nothing comes.
 *
 * @module
 */
import { type NetBackend, NOBODY } from './backend.ts';

export class NoNetwork implements NetBackend {
  receiver = NOBODY;
  send(): void {}
  ready(): void {}
  close(): void {}
}
