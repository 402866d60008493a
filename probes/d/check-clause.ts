/**
 * Clauses: predicate and statements on the probes that a description matches, and `if` taken apart.
 *
 * By the Dynamic Tracing Guide, "Program Structure". As in the original, `if` is made of clauses: one evaluates the condition into a hidden clause-local
 * variable, the branches have it as predicate. What follows a fault in one of those is skipped, as the clause was one to its writer: a hidden variable says
 * that a part has not come to its end.
 *
 * @module
 */
import { ActionChecker } from './check-action.ts';
import type { ExpressionChecker } from './check-expression.ts';
import { nameOf } from './check-operator.ts';
import { RecordingRules } from './check-recording.ts';
import type { Context } from './context.ts';
import { integer } from './convert.ts';
import { INT, isScalar } from './ctype.ts';
import { CompileError } from './error.ts';
import type { ClauseSyntax, StatementSyntax, Syntax } from './syntax.ts';
import type { Clause, Expression, Probe, Statement, Variable } from './tree.ts';

/** A part of a clause that holds an `if`: statements that one condition guards. */
interface Part {
  readonly guard: Variable | undefined;
  readonly statements: Statement[];
  readonly rules: RecordingRules;
  readonly line: number;
}

function containsIf(statements: readonly StatementSyntax[] | undefined): boolean {
  return statements?.some(({ kind }) => kind === 'if') === true;
}

export class ClauseChecker {
  readonly #expressions: ExpressionChecker;
  readonly #context: Context;
  readonly #actions: ActionChecker;

  constructor(expressions: ExpressionChecker) {
    this.#expressions = expressions;
    this.#context = expressions.context;
    this.#actions = new ActionChecker(expressions);
  }

  /** Checks a clause on the probes of one of its descriptions. */
  check(syntax: ClauseSyntax, probes: readonly Probe[]): Clause[] {
    const { line, statements = [] } = syntax;
    if (containsIf(statements)) return this.#conditional(syntax, probes);
    const { predicate, body } = this.#inOrder(syntax, () => {
      const rules = new RecordingRules(this.#context);
      return statements.flatMap((statement) => (statement.kind === 'expression' ? [this.#statement(statement.expression, rules)] : []));
    });
    const checked: Statement[] = body.length > 0 ? body : [{ kind: 'action', name: 'default', line, arguments: [] }];
    return [{ probes, line, statements: checked, ...(predicate !== undefined && { predicate }) }];
  }

  /**
   * The body first, so that the predicate sees the variables it makes; but a body that uses what the predicate makes is checked after it, as in the
   * original.
   */
  #inOrder<T>(syntax: ClauseSyntax, checkBody: () => T): { readonly predicate: Expression | undefined; readonly body: T } {
    const body = (): T => {
      this.#context.region = 'action list';
      return checkBody();
    };
    let first: T;
    try {
      first = body();
    } catch (error) {
      if (!(error instanceof CompileError) || (error.tag !== 'D_IDENT_UNDEF' && error.tag !== 'D_VAR_UNDEF')) throw error;
      const predicate = this.#predicate(syntax);
      return { predicate, body: body() };
    }
    return { predicate: this.#predicate(syntax), body: first };
  }

  #statement(node: Syntax, rules: RecordingRules): Statement {
    const statement = this.#actions.statement(node);
    rules.add(statement);
    return statement;
  }

  #predicate({ predicate }: ClauseSyntax): Expression | undefined {
    if (predicate === undefined) return undefined;
    this.#context.region = 'predicate';
    return this.#condition(predicate, 'predicate result must be of scalar type');
  }

  #condition(node: Syntax, text: string): Expression {
    const e = this.#expressions.check(node);
    if (isScalar(e.type)) return e;
    return this.#context.raise('D_PRED_SCALAR', `${text}: ${nameOf(e.type)}`, node.line);
  }

  // A clause that holds an `if`.

  /** A hidden clause-local variable; the same for all clauses of a source. */
  #hidden(name: string): Variable {
    const known = this.#context.names.locals.get(name);
    if (known !== undefined) return known.variable;
    const made = this.#context.names.create('this', name);
    made.variable.type = INT;
    made.typed = true;
    return made.variable;
  }

  #conditional(syntax: ClauseSyntax, probes: readonly Probe[]): Clause[] {
    const { line, statements = [] } = syntax;
    const failed = this.#hidden('%error');
    const conditions: Variable[] = [];
    const fresh = (): Variable => {
      const variable = this.#hidden(`%condition${conditions.length}`);
      conditions.push(variable);
      return variable;
    };
    let whole: Variable | undefined;
    const { predicate, body: parts } = this.#inOrder(syntax, () => {
      conditions.length = 0;
      whole = syntax.predicate === undefined ? undefined : fresh();
      const made: Part[] = [];
      this.#parts(statements, whole, line, made, fresh);
      return made;
    });
    const begin: Statement[] = [failed, ...conditions].map((variable) => assign(variable, integer(0n, INT, line), line));
    if (predicate !== undefined && whole !== undefined) begin.push(assign(whole, truth(predicate, line), line));
    const clauses: Clause[] = [{ probes, line, statements: begin }];
    for (const part of parts) {
      if (part.statements.length === 0) continue;
      const guarded = [
        assign(failed, integer(1n, INT, part.line), part.line),
        ...part.statements,
        assign(failed, integer(0n, INT, part.line), part.line),
      ];
      clauses.push({ probes, line: part.line, predicate: guardOf(failed, part.guard, part.line), statements: guarded });
    }
    return clauses;
  }

  #parts(statements: readonly StatementSyntax[], guard: Variable | undefined, line: number, parts: Part[], fresh: () => Variable): void {
    const open = (at: number): Part => {
      const part = { guard, statements: [], rules: new RecordingRules(this.#context), line: at };
      parts.push(part);
      return part;
    };
    let part = open(line);
    for (const statement of statements) {
      if (statement.kind === 'expression') {
        part.statements.push(this.#statement(statement.expression, part.rules));
        continue;
      }
      const { condition, then, otherwise } = statement;
      const holds = fresh();
      const test = truth(this.#condition(condition, 'condition must be of scalar type'), statement.line);
      part.statements.push(assign(holds, test, statement.line));
      const fails = otherwise === undefined ? undefined : fresh();
      if (fails !== undefined) {
        part.statements.push(assign(fails, not(read(holds, statement.line), statement.line), statement.line));
      }
      this.#parts(then, holds, statement.line, parts, fresh);
      if (otherwise !== undefined && fails !== undefined) this.#parts(otherwise, fails, statement.line, parts, fresh);
      part = open(statement.line);
    }
  }
}

function read(variable: Variable, line: number): Expression {
  return { op: 'variable', variable, type: variable.type, line };
}

function assign(variable: Variable, value: Expression, line: number): Statement {
  return { kind: 'expression', line, expression: { op: 'assign', target: read(variable, line), value, type: INT, line } };
}

function not(operand: Expression, line: number): Expression {
  return { op: 'unary', operator: '!', operand, type: INT, line };
}

/** A condition as 0 or 1. */
const truth = (condition: Expression, line: number): Expression => not(not(condition, line), line);

function guardOf(failed: Variable, guard: Variable | undefined, line: number): Expression {
  const sound = not(read(failed, line), line);
  if (guard === undefined) return sound;
  return { op: 'logical', operator: '&&', left: sound, right: read(guard, line), type: INT, line };
}
