/**
 * Commands in a Markdown text: those of its fenced blocks that begin with `dlite ` or `lucid run`.
 */

/** A line that goes on in the next one: a backslash at its end, or a quote that is open. */
function goesOn(text: string): boolean {
  return /\\$/.test(text) || /^(?:[^'"]|'[^']*'|"(?:[^"\\]|\\.)*")*$/s.exec(text) === null;
}

/** Each command as one line, without prompt and comment. */
export function oneLiners(markdown: string): string[] {
  const found: string[] = [];
  let inside = false;
  let command: string | undefined;
  for (const line of markdown.split('\n')) {
    if (line.startsWith('```')) {
      inside = !inside;
      command = undefined;
      continue;
    }
    if (!inside) continue;
    if (command === undefined) {
      const text = line.replace(/^\s*(?:[$%] )?/, '');
      if (!/^(?:dlite |lucid run )/.test(text)) continue;
      command = text;
    } else command = command.endsWith('\\') ? command.slice(0, -1) + line.trimStart() : `${command}\n${line}`;
    if (goesOn(command)) continue;
    found.push(command.replace(/\s+# .*$/, ''));
    command = undefined;
  }
  return found;
}
