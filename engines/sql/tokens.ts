import { EngineError, type StatementSyntax } from '../engine.js'

/** What a token is. `hint` is the opening (with its version) or closing mark of a MySQL `/*! *\/` hint, whose inside is code. */
export type TokenKind = 'word' | 'identifier' | 'string' | 'number' | 'parameter' | 'punctuation' | 'comment' | 'hint'

/** One lexical element; white space lies between tokens. Offsets are UTF-16 units into the script. */
export interface Token {
  readonly kind: TokenKind
  readonly start: number
  readonly end: number
}

/** A script that cannot be read, or that is meant for a client program and not for the database. */
export class ScriptError extends EngineError {
  override readonly name = 'ScriptError'
  /** From 1. */
  readonly line: number
  /** From 1, in UTF-16 units. */
  readonly column: number

  constructor(
    readonly problem: string,
    readonly hint: string,
    script: string,
    readonly offset: number,
  ) {
    const before = script.slice(0, offset)
    const line = before.split('\n').length
    const column = offset - before.lastIndexOf('\n')
    super(`line ${line}, column ${column}: ${problem}. ${hint}`)
    this.line = line
    this.column = column
  }
}

const isSpace = (code: number) => code === 32 || (code >= 9 && code <= 13)
const isDigit = (code: number) => code >= 48 && code <= 57
/** Every character beyond ASCII counts as a letter, as in all three databases. */
const isLetter = (code: number) =>
  (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95 || code >= 0x80
const isWordPart = (code: number) => isLetter(code) || isDigit(code) || code === 36

const QUOTE = 39
const DOUBLE = 34
const BACKTICK = 96
const BACKSLASH = 92

/**
 * Reads a script token by token, in linear time, by the lexical rules of one database.
 * @throws {ScriptError} at a string, quoted identifier or comment that never ends
 */
export function* tokens(script: string, syntax: StatementSyntax): Generator<Token, void, undefined> {
  const { length } = script
  const at = (index: number) => script.charCodeAt(index)
  let hints = 0
  let i = at(0) === 0xfeff ? 1 : 0

  /** The offset after the closing quote. A doubled quote stands for itself. */
  const quoted = (start: number, open: number, quote: number, escapes: boolean, what: string): number => {
    for (let j = open + 1; j < length; j++) {
      const code = at(j)
      if (code === BACKSLASH && escapes) j++
      else if (code === quote) {
        if (at(j + 1) !== quote) return j + 1
        j++
      }
    }
    throw unterminated(script, start, what)
  }

  while (i < length) {
    const code = at(i)
    if (isSpace(code)) {
      i++
      continue
    }
    const start = i
    let kind: TokenKind = 'punctuation'
    const next = at(i + 1)

    if (isLetter(code)) {
      if (syntax.dollarQuotes && (code === 69 || code === 101) && next === QUOTE) {
        kind = 'string'
        i = quoted(start, i + 1, QUOTE, true, 'string')
        // PostgreSQL: a string goes on after white space with a line break, and keeps its escape rules.
        for (let more = continuation(script, i); more !== undefined; more = continuation(script, i))
          i = quoted(start, more, QUOTE, true, 'string')
      } else {
        kind = 'word'
        while (i < length && isWordPart(at(i))) i++
      }
    } else if (isDigit(code)) {
      kind = 'number'
      while (i < length && (isWordPart(at(i)) || at(i) === 46)) i++
    } else if (code === QUOTE) {
      kind = 'string'
      i = quoted(start, i, QUOTE, syntax.backslashEscapes, 'string')
    } else if (code === DOUBLE) {
      kind = syntax.doubleQuotedStrings ? 'string' : 'identifier'
      const escapes = syntax.doubleQuotedStrings && syntax.backslashEscapes
      i = quoted(start, i, DOUBLE, escapes, syntax.doubleQuotedStrings ? 'string' : 'quoted name')
    } else if (code === BACKTICK && syntax.backticks) {
      kind = 'identifier'
      i = quoted(start, i, BACKTICK, false, 'quoted name')
    } else if (code === 91 && syntax.brackets) {
      kind = 'identifier'
      const close = script.indexOf(']', i)
      if (close === -1) throw unterminated(script, start, 'quoted name')
      i = close + 1
    } else if (
      (code === 45 && next === 45 && (!syntax.dashNeedsSpace || i + 2 >= length || at(i + 2) <= 32)) ||
      (code === 35 && syntax.hashComments)
    ) {
      kind = 'comment'
      const newline = script.indexOf('\n', i)
      i = newline === -1 ? length : newline
      if (at(i - 1) === 13) i--
    } else if (code === 47 && next === 42) {
      const bang = syntax.dialect !== 'mysql' ? 0 : at(i + 2) === 33 ? 3 : at(i + 2) === 77 && at(i + 3) === 33 ? 4 : 0
      if (bang > 0) {
        kind = 'hint'
        i += bang
        while (isDigit(at(i))) i++
        hints++
      } else {
        kind = 'comment'
        i = commentEnd(script, start, syntax.nestedComments)
      }
    } else if (code === 42 && next === 47 && hints > 0) {
      kind = 'hint'
      hints--
      i += 2
    } else if (code === 36 && syntax.dollarQuotes) {
      if (isDigit(next)) {
        kind = 'parameter'
        i++
        while (isDigit(at(i))) i++
      } else {
        const tagEnd = dollarTag(script, i)
        if (tagEnd === undefined) i++
        else {
          kind = 'string'
          const tag = script.slice(i, tagEnd)
          const close = script.indexOf(tag, tagEnd)
          if (close === -1) throw unterminated(script, start, `body quoted with ${tag}`)
          i = close + tag.length
        }
      }
    } else i++
    yield { kind, start, end: i }
  }
  if (hints > 0) throw unterminated(script, length, 'hint (`/*! ... */`)')
}

function unterminated(script: string, offset: number, what: string): ScriptError {
  return new ScriptError(
    `this ${what} never ends`,
    'Close it, or double the quote character inside it.',
    script,
    offset,
  )
}

/** The offset after the comment that begins at `start`. */
function commentEnd(script: string, start: number, nested: boolean): number {
  let depth = 1
  for (let i = start + 2; i < script.length - 1; i++) {
    const code = script.charCodeAt(i)
    if (code === 42 && script.charCodeAt(i + 1) === 47) {
      i++
      if (--depth === 0) return i + 1
    } else if (nested && code === 47 && script.charCodeAt(i + 1) === 42) {
      i++
      depth++
    }
  }
  throw new ScriptError('this comment never ends', 'Close it with `*/`.', script, start)
}

/** The offset after `$tag$`, where one begins at `start`. A tag is an identifier without `$`, or nothing. */
function dollarTag(script: string, start: number): number | undefined {
  let i = start + 1
  while (i < script.length && isWordPart(script.charCodeAt(i)) && script.charCodeAt(i) !== 36) i++
  return script.charCodeAt(i) === 36 ? i + 1 : undefined
}

/** The offset of the quote that continues the string that ended at `end`. */
function continuation(script: string, end: number): number | undefined {
  let newline = false
  for (let i = end; i < script.length; i++) {
    const code = script.charCodeAt(i)
    if (code === 10 || code === 13) newline = true
    else if (newline && code === QUOTE) return i
    else if (code === 45 && script.charCodeAt(i + 1) === 45) {
      const lineEnd = script.indexOf('\n', i)
      if (lineEnd === -1) return undefined
      i = lineEnd - 1
    } else if (!isSpace(code)) return undefined
  }
  return undefined
}
