/**
 * Where an endpoint listens, as plain data.
 *
 * @module
 */

export interface ListenAddress {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}
