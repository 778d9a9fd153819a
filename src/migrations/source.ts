/** Reads JavaScript as far as it has to be read to see which statements a function sends. Pure: nothing is run. */

export interface CodeToken {
  readonly kind: 'word' | 'text' | 'number' | 'other'
  /** Of a text its value; undefined for a template that has values in it. */
  readonly value: string | undefined
}

const SPACE = /(?:\s|\/\/.*|\/\*[\s\S]*?\*\/)*/y
const WORD = /[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*/uy
const NUMBER = /(?:\d[\d_]*\.?\d*|\.\d+)(?:e[+-]?\d+)?n?/iy
const QUOTED = /(["'])((?:\\[\s\S]|(?!\1)[^\\\n])*)\1/y
const REGEX = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y
/** Behind these a slash begins a regular expression. */
const BEFORE_REGEX = /^(?:return|typeof|case|in|of|await|yield|void|delete|new|else|do)$/

/** The tokens of a piece of code; undefined where it cannot be read. */
export function readCode(source: string): CodeToken[] | undefined {
  const read: CodeToken[] = []
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(source)
    if (match) at = pattern.lastIndex
    return match
  }
  for (take(SPACE); at < source.length; take(SPACE)) {
    const word = take(WORD)
    const number = word ? null : take(NUMBER)
    const quoted = word || number ? null : take(QUOTED)
    if (word) read.push({ kind: 'word', value: word[0] })
    else if (number) read.push({ kind: 'number', value: number[0] })
    else if (quoted) read.push({ kind: 'text', value: cooked(quoted[2] ?? '') })
    else if (source[at] === '`') {
      const end = endOfTemplate(source, at)
      if (end === undefined) return undefined
      const raw = source.slice(at + 1, end - 1)
      read.push({ kind: 'text', value: hasValues(raw) ? undefined : cooked(raw.replace(/\r\n?/g, '\n')) })
      at = end
    } else if (source[at] === '/' && beginsRegex(read.at(-1)) && take(REGEX)) read.push({ kind: 'other', value: '/' })
    else if (source.startsWith('=>', at)) {
      read.push({ kind: 'other', value: '=>' })
      at += 2
    } else read.push({ kind: 'other', value: source[at++] })
  }
  return read
}

function beginsRegex(before: CodeToken | undefined): boolean {
  if (before === undefined) return true
  if (before.kind === 'word') return BEFORE_REGEX.test(before.value ?? '')
  return before.kind === 'other' && !/^[)\]}]$/.test(before.value ?? '')
}

/** A template has values in it where `${` is not escaped. */
function hasValues(raw: string): boolean {
  return raw.replace(/\\[\s\S]/g, '').includes('${')
}

/** The index behind the closing backtick; undefined where there is none. */
function endOfTemplate(source: string, start: number): number | undefined {
  for (let i = start + 1; i < source.length; i++) {
    if (source[i] === '\\') i++
    else if (source[i] === '`') return i + 1
    else if (source.startsWith('${', i)) {
      const end = endOfValue(source, i + 2)
      if (end === undefined) return undefined
      i = end - 1
    }
  }
  return undefined
}

/** The index behind the brace that closes a value in a template. */
function endOfValue(source: string, start: number): number | undefined {
  let depth = 1
  for (let i = start; i < source.length; i++) {
    const character = source[i]
    if (character === '`') {
      const end = endOfTemplate(source, i)
      if (end === undefined) return undefined
      i = end - 1
    } else if (character === '"' || character === "'") {
      QUOTED.lastIndex = i
      if (QUOTED.test(source)) i = QUOTED.lastIndex - 1
    } else if (character === '{') depth++
    else if (character === '}' && --depth === 0) return i + 1
  }
  return undefined
}

const LETTERS: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', v: '\v', f: '\f', 0: '\0' }

/** What a text between quotes stands for (ECMAScript, String Literals). */
export function cooked(raw: string): string {
  return raw.replace(
    /\\(?:u\{([0-9a-f]+)\}|u([0-9a-f]{4})|x([0-9a-f]{2})|(\r\n|[\n\r\u2028\u2029])|([\s\S]))/gi,
    (_, point?: string, unit?: string, byte?: string, line?: string, other = '') => {
      if (point !== undefined) return String.fromCodePoint(Number.parseInt(point, 16))
      const code = unit ?? byte
      if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16))
      return line === undefined ? (LETTERS[other] ?? other) : ''
    },
  )
}
