/**
 * How many cells of a terminal a text of ours takes: help is ASCII, where each character takes one.
 *
 * It stands in for the package `string-width`, which knows every script: `yargs.ts`.
 *
 * @module
 */
// biome-ignore lint/style/noDefaultExport: it stands in for a package with one
export default function textWidth(text: string): number {
  return text.length;
}
