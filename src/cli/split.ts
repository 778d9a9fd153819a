/** A line's words, as far as a table of options says what belongs together. Node splits them; what they mean is the grammar's. */
import { parseArgs } from 'node:util'
import { camelCase, type Option, type Options } from './options.js'

/** One option as it stands in the line. */
export interface Given {
  /** As it was typed, without its value: `--lock-timeout`, `-y`. */
  readonly typed: string
  readonly name: string
  readonly option: Option
  readonly no: boolean
  readonly value: string | undefined
  /** The value stands behind `=`. */
  readonly inline: boolean
  /** The word that follows, where it is no option. */
  readonly next: string | undefined
}

export interface Split {
  readonly given: readonly Given[]
  readonly words: readonly string[]
  /** What stands behind `--`, as it is. */
  readonly rest: readonly string[]
  /** The first word that looks like an option and is none. */
  readonly unknown: string | undefined
}

/** Every spelling of an option: `dry-run`, `dryRun`, its aliases. */
export function spellings(name: string, { alias = [] }: Option): string[] {
  const camel = camelCase(name)
  return [name, ...(camel === name ? [] : [camel]), ...[alias].flat()]
}

type Known = ReadonlyMap<string, Pick<Given, 'name' | 'option'>>

/** A line's options and words, as far as the table knows them. */
export function split(line: readonly string[], options: Options): Split {
  const known: Known = new Map(
    Object.entries(options).flatMap(([name, option]) =>
      spellings(name, option).map((spelling) => [spelling, { name, option }] as const),
    ),
  )
  const tokens = tokensOf(line, known)
  const end = tokens.findIndex(({ kind }) => kind === 'option-terminator')
  const before = end === -1 ? tokens : tokens.slice(0, end)
  const given: Given[] = []
  let unknown: string | undefined
  for (const [at, token] of before.entries()) {
    const typed = line[token.index] ?? ''
    if (token.kind !== 'option' || isNumber(typed)) continue
    const one = readToken(token, typed, known)
    const follower = tokens[at + 1]
    if (one === undefined) unknown ??= typed.replace(/=.*$/s, '')
    else given.push({ ...one, next: follower?.kind === 'positional' ? follower.value : undefined })
  }
  return { given, words: wordsIn(before, line), rest: end === -1 ? [] : wordsIn(tokens.slice(end), line), unknown }
}

/** `rays up -1`: a number, of which Node makes one option for each digit. */
function isNumber(word: string): boolean {
  return /^-\d+$/.test(word)
}

function wordsIn(tokens: readonly Token[], line: readonly string[]): string[] {
  return tokens.flatMap((token, at) => {
    if (token.kind === 'positional') return [token.value]
    const typed = line[token.index] ?? ''
    return isNumber(typed) && tokens[at - 1]?.index !== token.index ? [typed] : []
  })
}

type Token = ReturnType<typeof tokensOf>[number]
type OptionToken = Extract<Token, { kind: 'option' }>

function tokensOf(line: readonly string[], known: Known) {
  const end = line.indexOf('--')
  // `-n=x` as `--n=x`: Node would take the sign for a part of the value.
  const args = line.map((word, at) => (isShortWithSign(word) && (end === -1 || at < end) ? `-${word}` : word))
  const options = [...known].map(([spelling, { option }]) => {
    const type = option.type === 'boolean' ? ('boolean' as const) : ('string' as const)
    return [spelling, { type, ...(spelling.length === 1 && { short: spelling }) }] as const
  })
  return parseArgs({ args, strict: false, tokens: true, options: Object.fromEntries(options) }).tokens
}

/** @returns undefined for an option that the table does not have */
function readToken(token: OptionToken, typed: string, known: Known): Omit<Given, 'next'> | undefined {
  const no = !known.has(token.name) && token.name.startsWith('no-')
  const found = known.get(no ? token.name.slice(3) : token.name)
  const inline = token.inlineValue === true
  const short = !token.rawName.startsWith('--')
  // `-name x`: not -n with `ame`.
  if (found === undefined || (short && inline)) return undefined
  return {
    ...found,
    // `-n=x` was read as `--n=x`.
    typed: isShortWithSign(typed) ? token.rawName.slice(1) : token.rawName,
    no,
    value: token.value,
    inline,
  }
}

/** `-n=x` */
function isShortWithSign(word: string): boolean {
  return /^-[a-z]=/i.test(word)
}
