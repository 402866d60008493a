/**
 * Checks D programs without compiling them: the expressions of their clauses, as the code generator would get them.
 *
 * Actions are not checked themselves, their arguments are.
 */
import { DeclarationChecker } from '../../../probes/d/check-declaration.ts';
import { ExpressionChecker } from '../../../probes/d/check-expression.ts';
import { Context } from '../../../probes/d/context.ts';
import { builtinNames } from '../../../probes/d/builtin-names.ts';
import { CompileError } from '../../../probes/d/error.ts';
import { Lexer } from '../../../probes/d/lexer.ts';
import { Names } from '../../../probes/d/names.ts';
import { Parser } from '../../../probes/d/parser.ts';
import type { ClauseSyntax, StatementSyntax, Syntax } from '../../../probes/d/syntax.ts';
import type { Expression } from '../../../probes/d/tree.ts';
import { ProbeRegistry } from '../../../probes/providers/registry.ts';

const registry = new ProbeRegistry();

export interface Checked {
  readonly names: Names;
  /** Predicates, expression statements, arguments of actions: in their order. */
  readonly expressions: readonly Expression[];
}

/** Checks a script. */
export function checkProgram(text: string): Checked {
  const names = new Names(builtinNames());
  const context = new Context(names, { probes: registry });
  const checker = new ExpressionChecker(context);
  const declarations = new DeclarationChecker(checker);
  const clauses: ClauseSyntax[] = [];
  const lexer = new Lexer(text, {
    isType: (name) => names.typedef(name) !== undefined,
    isVariable: (name) => parser.parameterNames.has(name) || names.global(name) !== undefined,
    control: () => {},
    argument: () => undefined,
    macro: () => undefined,
    defaultArguments: () => false,
  });
  const sink = {
    declare: declarations.declare.bind(declarations),
    inline: declarations.inline.bind(declarations),
    translator: declarations.translator.bind(declarations),
    provider: declarations.provider.bind(declarations),
    clause: (clause: ClauseSyntax) => void clauses.push(clause),
  };
  const parser = new Parser(lexer, names, sink, { form: 'script', text }, () => undefined);
  parser.program();
  const expressions: Expression[] = [];
  for (const clause of clauses) {
    for (const description of clause.descriptions) {
      const probes = 'provider' in description ? registry.match(description) : registry.match({ id: description.id });
      context.clause = { description, probes };
      for (const statement of clause.statements ?? []) checkStatement(checker, statement, expressions);
      if (clause.predicate !== undefined) expressions.push(checker.check(clause.predicate));
    }
  }
  return { names, expressions };
}

function checkStatement(checker: ExpressionChecker, statement: StatementSyntax, to: Expression[]): void {
  if (statement.kind === 'if') {
    to.push(checker.check(statement.condition));
    for (const inner of [...statement.then, ...(statement.otherwise ?? [])]) checkStatement(checker, inner, to);
    return;
  }
  const { expression } = statement;
  const aggregation = aggregationOf(expression);
  if (checker.calls.actionOf(expression) !== undefined && expression.kind === 'call') {
    for (const argument of expression.arguments) to.push(checker.datum(argument));
  } else if (aggregation !== undefined) {
    checker.context.names.aggregation(aggregation);
  } else {
    to.push(checker.object(expression));
  }
}

/** Name of the aggregation that is assigned to. */
function aggregationOf(node: Syntax): string | undefined {
  if (node.kind !== 'assign') return undefined;
  const target = node.left.kind === 'index' ? node.left.object : node.left;
  return target.kind === 'aggregation' ? target.name : undefined;
}

/** The tag a program is refused with; '' when it is not. */
export function refusal(text: string): string {
  try {
    checkProgram(text);
    return '';
  } catch (error) {
    if (error instanceof CompileError) return error.tag;
    throw error;
  }
}

/** The last expression of `BEGIN { ... }`. */
export function checkExpression(text: string, before = ''): Expression {
  return checkProgram(`${before}\nBEGIN { ${text}; }`).expressions.at(-1) as Expression;
}
