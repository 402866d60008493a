/**
 * Expressions of D: C's grammar, with `^^`, `stringof`, `xlate` and aggregations, and without floating point.
 *
 * By the Dynamic Tracing Guide, "Operator Precedence", and ISO C 6.5. The target of an assignment is a unary expression, so `a + b = c` is a syntax
 * error and not an error of types. Constants are folded here, as types and sizes depend on them.
 *
 * @module
 */
import { SIZE, memberOf, sizeOf } from './ctype.ts';
import { foldBinary, foldCast, foldUnary } from './fold.ts';
import { TokenReader } from './reader.ts';
import type { AssignOperator, BinaryOperator, Syntax, UnaryOperator } from './syntax.ts';
import type { Token } from './token.ts';
import { resolve, type Type } from './types.ts';

/** Binary operators by how tightly they bind. */
const PRECEDENCE: Readonly<Record<string, number>> = {
  '||': 1,
  '^^': 2,
  '&&': 3,
  '|': 4,
  '^': 5,
  '&': 6,
  '==': 7,
  '!=': 7,
  '<': 8,
  '<=': 8,
  '>': 8,
  '>=': 8,
  '<<': 9,
  '>>': 9,
  '+': 10,
  '-': 10,
  '*': 11,
  '/': 11,
  '%': 11,
};

const ASSIGN: ReadonlySet<string> = new Set(['=', '+=', '-=', '*=', '/=', '%=', '&=', '|=', '^=', '<<=', '>>=']);
const UNARY: ReadonlySet<string> = new Set(['+', '-', '~', '!', '*', '&']);

export abstract class ExpressionParser extends TokenReader {
  /** The last unary expression made: what may be assigned to. */
  #unary: Syntax | undefined;

  /** True when a type's name begins at the next token. */
  protected abstract startsType(): boolean;
  /** A type's name: specifiers and an abstract declarator. */
  protected abstract typeName(): Type;

  /** The value of a name that stands for an integer constant: an enumerator, an inline. */
  protected abstract constantOf(name: string): { readonly value: bigint; readonly type: Type } | undefined;

  integer(value: bigint, type: Type, line: number): Syntax {
    return { kind: 'integer', value, type, line, depth: 1 };
  }

  /** `a, b` */
  expression(): Syntax {
    const first = this.assignment();
    if (!this.at(',')) return first;
    const parts = [first];
    while (this.accept(',')) parts.push(this.assignment());
    return { kind: 'comma', parts, line: first.line, depth: this.depth(...parts) };
  }

  assignment(): Syntax {
    return this.nested(() => {
      const left = this.conditional();
      const token = this.peek();
      if (token.kind !== 'punctuation' || !ASSIGN.has(token.text) || left !== this.#unary) return left;
      this.take();
      const right = this.assignment();
      return {
        kind: 'assign',
        operator: token.text as AssignOperator,
        left,
        right,
        line: token.line,
        depth: this.depth(left, right),
      };
    });
  }

  conditional(): Syntax {
    const condition = this.#binary(1);
    if (!this.at('?')) return condition;
    const { line } = this.take();
    const then = this.nested(() => this.expression());
    this.expect(':');
    const otherwise = this.nested(() => this.conditional());
    return { kind: 'conditional', condition, then, otherwise, line, depth: this.depth(condition, then, otherwise) };
  }

  #binary(lowest: number): Syntax {
    let left = this.#cast();
    for (;;) {
      const token = this.peek();
      const precedence = token.kind === 'punctuation' ? PRECEDENCE[token.text] : undefined;
      if (precedence === undefined || precedence < lowest) return left;
      this.take();
      left = this.#combine(token, left, this.#binary(precedence + 1));
    }
  }

  #combine(token: Token, left: Syntax, right: Syntax): Syntax {
    const operator = token.text as BinaryOperator;
    if (left.kind === 'integer' && right.kind === 'integer') {
      const folded = foldBinary(operator, left, right);
      if (folded === 'division by zero') this.raise('D_DIV_ZERO', 'expression contains division by zero', token.line);
      return this.integer(folded.value, folded.type, left.line);
    }
    return { kind: 'binary', operator, left, right, line: token.line, depth: this.depth(left, right) };
  }

  #cast(): Syntax {
    if (!this.at('(')) return this.#unaryExpression();
    return this.nested(() => {
      const { line } = this.take();
      if (!this.startsType()) return this.#parenthesized();
      const type = this.typeName();
      this.expect(')');
      const operand = this.#cast();
      const folded = operand.kind === 'integer' ? foldCast(type, operand) : undefined;
      if (folded !== undefined) return this.integer(folded.value, type, line);
      return { kind: 'cast', type, operand, line, depth: this.depth(operand) };
    });
  }

  /** After `(`. */
  #parenthesized(): Syntax {
    const inner = this.expression();
    this.expect(')');
    return this.#postfix(inner);
  }

  #unaryExpression(): Syntax {
    const token = this.peek();
    if (token.kind === 'punctuation') {
      if (token.text === '++' || token.text === '--') {
        this.take();
        const operand = this.nested(() => this.#unaryOnly());
        return this.#remember({
          kind: 'step',
          operator: token.text,
          prefix: true,
          operand,
          line: token.line,
          depth: this.depth(operand),
        });
      }
      if (UNARY.has(token.text)) {
        this.take();
        return this.#remember(
          this.#apply(
            token,
            this.nested(() => this.#cast()),
          ),
        );
      }
    }
    if (token.kind === 'word' && token.text === 'sizeof') return this.#remember(this.#sizeof());
    if (token.kind === 'word' && token.text === 'stringof') {
      this.take();
      const operand = this.nested(() => this.#unaryOnly());
      return this.#remember({ kind: 'unary', operator: 'stringof', operand, line: token.line, depth: this.depth(operand) });
    }
    return this.#postfix(this.#primary());
  }

  /** A unary expression where a cast is none. */
  #unaryOnly(): Syntax {
    if (!this.at('(')) return this.#unaryExpression();
    this.take();
    if (this.startsType()) this.unexpected();
    return this.#parenthesized();
  }

  #remember(node: Syntax): Syntax {
    this.#unary = node;
    return node;
  }

  #apply(token: Token, operand: Syntax): Syntax {
    const operator = token.text as UnaryOperator;
    const folded = operand.kind === 'integer' ? foldUnary(operator, operand) : undefined;
    if (folded !== undefined) return this.integer(folded.value, folded.type, token.line);
    return { kind: 'unary', operator, operand, line: token.line, depth: this.depth(operand) };
  }

  #sizeof(): Syntax {
    const { line } = this.take();
    return this.nested(() => {
      if (!this.at('(')) return this.#sizeofOperand(this.#unaryExpression(), line);
      this.take();
      if (!this.startsType()) return this.#sizeofOperand(this.#parenthesized(), line);
      const type = this.typeName();
      this.expect(')');
      const size = sizeOf(type);
      if (size === 0) this.raise('D_SIZEOF_TYPE', 'cannot apply sizeof to an operand of unknown size', line);
      return this.integer(BigInt(size), SIZE, line);
    });
  }

  #sizeofOperand(operand: Syntax, line: number): Syntax {
    if (operand.kind === 'integer') return this.integer(BigInt(sizeOf(operand.type)), SIZE, line);
    return { kind: 'unary', operator: 'sizeof', operand, line, depth: this.depth(operand) };
  }

  #primary(): Syntax {
    const token = this.peek();
    const { line, value } = token;
    switch (token.kind) {
      case 'identifier': {
        this.take();
        const constant = this.constantOf(value);
        return constant === undefined
          ? { kind: 'identifier', name: value, line, depth: 1 }
          : this.integer(constant.value, constant.type, line);
      }
      case 'aggregation':
        this.take();
        return { kind: 'aggregation', name: value === '_' ? '' : value, line, depth: 1 };
      case 'integer': {
        this.take();
        const constant = { value: token.integer, type: token.type! };
        const signed = token.negative === true ? foldUnary('-', constant)! : constant;
        return this.integer(signed.value, signed.type, line);
      }
      case 'string':
        this.take();
        return { kind: 'text', value, line, depth: 1 };
      case 'word':
        if (token.text === 'self' || token.text === 'this') {
          this.take();
          if (!this.at('->')) this.unexpected();
          return { kind: 'identifier', name: token.text, line, depth: 1 };
        }
        if (token.text === 'offsetof') return this.#offsetof();
        if (token.text === 'xlate') return this.#xlate();
        return this.unexpected();
      default:
        return this.unexpected();
    }
  }

  /** The name after `.` or `->`, or in offsetof(): any word will do. */
  #member(): Token {
    const token = this.peek();
    if (token.kind !== 'identifier' && token.kind !== 'type' && token.kind !== 'word') this.unexpected();
    return this.take();
  }

  #offsetof(): Syntax {
    const { line } = this.take();
    this.expect('(');
    const type = this.typeName();
    this.expect(',');
    const name = this.#member().value;
    this.expect(')');
    const t = resolve(type);
    if (t.kind !== 'struct' && t.kind !== 'union') this.raise('D_OFFSETOF_TYPE', 'offsetof operand must be a struct or union type', line);
    const member = memberOf(t, name);
    if (member === undefined) this.raise('D_UNKNOWN', `failed to determine offset of ${name}: Member name not found`, line);
    if (member.bits !== undefined) this.raise('D_OFFSETOF_BITFIELD', `cannot take offset of a bit-field: ${name}`, line);
    return this.integer(BigInt(member.offset), SIZE, line);
  }

  #xlate(): Syntax {
    const { line } = this.take();
    this.expect('<');
    const type = this.typeName();
    this.expect('>');
    this.expect('(');
    const operand = this.nested(() => this.expression());
    this.expect(')');
    return { kind: 'xlate', type, operand, line, depth: this.depth(operand) };
  }

  #postfix(start: Syntax): Syntax {
    let node = start;
    for (;;) {
      const token = this.peek();
      if (token.kind !== 'punctuation') break;
      const { text, line } = token;
      if (text === '[') {
        this.take();
        const indices = this.nested(() => this.#arguments(']'));
        if (indices.length === 0) this.unexpected();
        this.expect(']');
        node = { kind: 'index', object: node, indices, line, depth: this.depth(node, ...indices) };
      } else if (text === '(') {
        this.take();
        const given = this.nested(() => this.#arguments(')'));
        this.expect(')');
        node = { kind: 'call', callee: node, arguments: given, line, depth: this.depth(node, ...given) };
      } else if (text === '.' || text === '->') {
        this.take();
        const name = this.#member().value;
        node = { kind: 'member', operator: text, object: node, name, line, depth: this.depth(node) };
      } else if (text === '++' || text === '--') {
        this.take();
        node = { kind: 'step', operator: text, prefix: false, operand: node, line, depth: this.depth(node) };
      } else {
        break;
      }
    }
    return this.#remember(node);
  }

  #arguments(end: string): Syntax[] {
    const list: Syntax[] = [];
    if (this.at(end)) return list;
    do list.push(this.assignment());
    while (this.accept(','));
    return list;
  }

  /** A constant expression: an integer, or whatever it came out as for the caller to reject. */
  constant(): Syntax {
    return this.nested(() => this.conditional());
  }

  /** The value of a constant that must be a positive integer; undefined when it is none. */
  positive(node: Syntax): bigint | undefined {
    return node.kind === 'integer' && node.value > 0n ? node.value : undefined;
  }
}
