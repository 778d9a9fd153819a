import type { StatementSyntax } from '../engine.js'
import { ScriptError, type Token, tokens } from './tokens.js'

export { ScriptError, type Token, type TokenKind, tokens } from './tokens.js'

/** One statement of a script. */
export interface Statement {
  /** From the first token to the last, without the final semicolon; comments inside are kept. */
  readonly text: string
  /** Offsets of `text` in the script. */
  readonly start: number
  readonly end: number
  /** The comments that stand between the statement before and this one, without their marks (Prisma's step name first). */
  readonly comment?: string
}

/**
 * Splits a script into its statements, as the database itself would read it. What lies between the texts is white space,
 * comments and semicolons.
 * @throws {ScriptError} for what never ends, and for commands of client programs (`DELIMITER`, `\copy`, `COPY ... FROM stdin`)
 */
export function splitStatements(script: string, syntax: StatementSyntax): Statement[] {
  const statements: Statement[] = []
  let reader = new StatementReader(script, syntax)
  let comments: string[] = []
  let start = -1
  let end = -1
  /** The end of the statement before, while its line lasts: a comment there belongs to it. */
  let terminator = -1
  const finish = () => {
    if (start !== -1) {
      const comment = comments.join('\n').trim()
      statements.push({ text: script.slice(start, end), start, end, ...(comment === '' ? {} : { comment }) })
    }
    reader = new StatementReader(script, syntax)
    comments = []
    start = -1
  }
  for (const token of tokens(script, syntax)) {
    if (token.kind === 'comment') {
      const trailing = terminator !== -1 && !script.slice(terminator, token.start).includes('\n')
      if (start === -1 && !trailing) comments.push(commentText(script.slice(token.start, token.end)))
      terminator = -1
      continue
    }
    if (reader.read(token)) {
      finish()
      terminator = token.end
      continue
    }
    if (start === -1) start = token.start
    terminator = -1
    end = token.end
  }
  finish()
  return statements
}

function commentText(comment: string): string {
  if (comment.startsWith('/*')) return comment.slice(2, -2).trim()
  return comment.replace(/^(--|#)/, '').trim()
}

const STORED = new Set(['PROCEDURE', 'FUNCTION', 'TRIGGER', 'EVENT'])
/** Words that may stand between CREATE and the kind of object. */
const MODIFIERS = new Set([
  'OR',
  'REPLACE',
  'DEFINER',
  'AGGREGATE',
  'CURRENT_USER',
  'CURRENT_ROLE',
  'TEMP',
  'TEMPORARY',
])
const BLOCKS = new Set(['IF', 'CASE', 'LOOP', 'WHILE', 'REPEAT'])

/** Reads one statement and knows which semicolon ends it. */
class StatementReader {
  readonly #script: string
  readonly #syntax: StatementSyntax
  #first: string | undefined
  /** Undecided while the words after CREATE are read; then the kind of program, or `plain`. */
  #program: string | undefined
  #parens = 0
  #hints = 0
  /** Open blocks, innermost last. `CASE` is a statement, `case` an expression. */
  #blocks: string[] = []
  #popped = ''
  /** The next token begins a statement inside a program. */
  #begins = false
  #body = false
  #previous = ''
  #beforePrevious = ''
  #from = false

  constructor(script: string, syntax: StatementSyntax) {
    this.#script = script
    this.#syntax = syntax
  }

  /** Takes the next token; true when it is the semicolon that ends the statement. */
  read(token: Token): boolean {
    const raw = this.#script.slice(token.start, Math.min(token.end, token.start + 32))
    const word = token.kind === 'word' ? raw.toUpperCase() : token.kind === 'punctuation' ? raw : ''
    if (token.kind === 'hint') this.#hints += raw === '*/' ? -1 : 1
    this.#refuse(token, word)
    if (word === ';' && this.#ends()) return true
    const { compound } = this.#syntax
    if (token.kind === 'word') {
      this.#classify(word)
      if (this.#program !== undefined && this.#program !== 'plain' && this.#previous !== '.') {
        if (compound === 'stored-program') this.#storedProgram(word)
        else if (compound === 'atomic') this.#atomic(word)
      } else this.#begins = false
    } else if (word === '(') this.#parens++
    else if (word === ')') this.#parens--
    if (token.kind !== 'word') this.#begins = word === ';' || word === ':' || this.#order(token)
    this.#first ??= word
    this.#beforePrevious = this.#previous
    this.#previous = word
    return false
  }

  #ends(): boolean {
    if (this.#hints > 0) return false
    const { compound } = this.#syntax
    // SQLite (sqlite3_complete): a trigger ends with `; END ;`, and nothing else in it can look so.
    if (compound === 'trigger' && this.#program === 'TRIGGER')
      return this.#previous === 'END' && this.#beforePrevious === ';'
    // psql: semicolons in parentheses (CREATE RULE ... DO (a; b)) end nothing.
    if (compound === 'atomic') return this.#parens <= 0 && this.#blocks.length === 0
    return this.#blocks.length === 0
  }

  #classify(word: string) {
    if (this.#first === undefined) {
      this.#program = word === 'CREATE' || word === 'ALTER' ? undefined : 'plain'
    } else if (this.#program === undefined) {
      if (STORED.has(word)) this.#program = this.#first === 'ALTER' && word !== 'EVENT' ? 'plain' : word
      else if (!MODIFIERS.has(word) && this.#previous !== '=' && this.#previous !== '@') this.#program = 'plain'
    } else if (this.#first === 'BEGIN' && this.#previous === 'BEGIN' && word === 'NOT') {
      // MariaDB: BEGIN NOT ATOMIC, a block outside a program.
      this.#program = 'BLOCK'
      this.#blocks.push('BEGIN')
      this.#body = true
    }
  }

  /** MySQL: the blocks of the stored program language. */
  #storedProgram(word: string) {
    const innermost = this.#blocks.at(-1)
    let begins = false
    if (this.#previous === 'END' && BLOCKS.has(word) && this.#popped === word) {
      this.#popped = ''
    } else if (word === 'END' && innermost !== undefined) {
      this.#popped = this.#blocks.pop() ?? ''
    } else if (word === 'BEGIN') {
      this.#blocks.push('BEGIN')
      this.#body = begins = true
    } else if (BLOCKS.has(word) && (this.#begins || this.#opensBody(word))) {
      this.#blocks.push(word)
      this.#body = true
      begins = word === 'LOOP' || word === 'REPEAT'
    } else if (word === 'CASE') {
      this.#blocks.push('case')
    } else if (word === 'RETURN') {
      this.#body = true
    } else if (word === 'THEN' || word === 'ELSE') {
      begins = innermost !== 'case'
    } else if (word === 'DO') {
      begins = this.#body = true
    } else if (word === 'ROW' && this.#program === 'TRIGGER' && !this.#body) {
      begins = true
    } else begins = this.#order()
    this.#begins = begins
  }

  /** A routine whose body is one block without BEGIN. `CREATE PROCEDURE IF NOT EXISTS` is none. */
  #opensBody(word: string): boolean {
    const routine = this.#program === 'PROCEDURE' || this.#program === 'FUNCTION'
    return routine && !this.#body && this.#parens === 0 && !(word === 'IF' && STORED.has(this.#previous))
  }

  /** After `FOLLOWS name` or `PRECEDES name` the body of a trigger begins. */
  #order(token?: Token): boolean {
    if (this.#program !== 'TRIGGER' || this.#body || (token && token.kind !== 'identifier')) return false
    return this.#previous === 'FOLLOWS' || this.#previous === 'PRECEDES'
  }

  /** PostgreSQL: BEGIN ATOMIC ... END, with CASE ... END inside (as psql counts). */
  #atomic(word: string) {
    if (word === 'ATOMIC' && this.#previous === 'BEGIN') this.#blocks.push('BEGIN')
    else if (this.#blocks.length === 0) return
    else if (word === 'CASE') this.#blocks.push('case')
    else if (word === 'END') this.#blocks.pop()
  }

  #refuse(token: Token, word: string) {
    const { dialect } = this.#syntax
    const fail = (problem: string, hint: string) => {
      throw new ScriptError(problem, hint, this.#script, token.start)
    }
    if (dialect === 'mysql' && this.#first === undefined && word === 'DELIMITER')
      fail(
        'DELIMITER is a command of the mysql client, the database does not know it',
        'Remove the DELIMITER lines and end each program with `END;`: its inner semicolons are understood.',
      )
    if (dialect === 'postgresql') {
      if (word === '\\')
        fail('a backslash command belongs to psql, the database does not know it', 'Write it as SQL, or remove it.')
      if (this.#first === 'COPY') {
        if (word === 'STDIN' && this.#from)
          fail('COPY ... FROM stdin needs psql, which sends the rows', 'Write the rows as INSERT statements.')
        this.#from = word === 'FROM'
      }
    }
    if (dialect === 'sqlite' && this.#first === undefined && word === '.')
      fail(
        'a dot command belongs to the sqlite3 shell, the database does not know it',
        'Write it as SQL, or remove it.',
      )
  }
}
