/**
 * The preprocessor (-C). (Being written.)
 *
 * @module
 */
import type { Environment } from './environment.ts';

export function preprocess(text: string, _file: string, _environment: Environment): string {
  return text;
}
