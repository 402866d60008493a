/**
 * What may follow what in a clause: speculate(), commit() and the actions that record data.
 *
 * By the Dynamic Tracing Guide, "Speculative Tracing". The clause's data go either to the buffer or to one speculation, so speculate() comes before any
 * data, and commit() alone.
 *
 * @module
 */
import type { Context } from './context.ts';
import { DESTRUCTIVE_ACTIONS, writesGuest } from './destructive.ts';
import type { Statement } from './tree.ts';

export class RecordingRules {
  readonly #context: Context;
  #speculated = false;
  #committed = false;
  #recorded = false;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Takes the next statement of the clause. */
  add(statement: Statement): void {
    const { line } = statement;
    const refuse = (wrong: boolean, tag: string, text: string): void => {
      if (wrong) this.#context.raise(tag, text, line);
    };
    if (statement.kind === 'expression') {
      refuse(this.#speculated && writesGuest(statement.expression), 'D_ACT_SPEC', 'destructive actions may not follow speculate( )');
      return;
    }
    if (statement.kind === 'aggregate') {
      refuse(this.#committed, 'D_AGG_COMM', 'aggregating actions may not follow commit( )');
      refuse(this.#speculated, 'D_AGG_SPEC', 'aggregating actions may not follow speculate( )');
      this.#recorded = true;
      return;
    }
    switch (statement.name) {
      case 'speculate':
        refuse(this.#committed, 'D_SPEC_COMM', 'speculate( ) may not follow commit( )');
        refuse(this.#recorded, 'D_SPEC_DREC', 'speculate( ) may not follow data-recording action(s)');
        refuse(this.#speculated, 'D_SPEC_SPEC', 'speculate( ) may not follow speculate( )');
        this.#speculated = true;
        return;
      case 'commit':
        refuse(this.#committed, 'D_COMM_COMM', 'commit( ) may not follow commit( )');
        refuse(this.#recorded, 'D_COMM_DREC', 'commit( ) may not follow data-recording action(s)');
        this.#committed = true;
        return;
      case 'discard':
        return;
      default:
        refuse(this.#speculated && statement.name === 'exit', 'D_EXIT_SPEC', 'exit( ) may not follow speculate( )');
        if (DESTRUCTIVE_ACTIONS.has(statement.name)) {
          refuse(this.#speculated, 'D_ACT_SPEC', 'destructive actions may not follow speculate( )');
          // system() and freopen() leave their text in the buffer.
          if (statement.name !== 'system' && statement.name !== 'freopen') return;
        }
        refuse(this.#committed, 'D_DREC_COMM', 'data-recording actions may not follow commit( )');
        if (!this.#speculated) this.#recorded = true;
    }
  }
}
