/** Writes the code of a migration as text. README.md: readme.ts. */
import { type Answers, answerLines, NO_ANSWERS } from './answers.js'
import type { OperationPlan, PlannedFunction } from './operations.js'
import { plainLine } from './readme.js'

export { type ReadmeInput, renderReadme } from './readme.js'

export interface RenderOptions {
  readonly module: 'commonjs' | 'esm'
  /** False: the migration asks to run outside a transaction. */
  readonly transaction?: boolean
  /** The name of the migration before it, from whose snapshot it was made; null for the first of all. */
  readonly follows?: string | null
  readonly answers?: Answers
}

/** The line of a migration's code that tells which migration it was made after (see {@link RenderOptions.follows}). */
const FOLLOWS = /^\/\/ Follows (\S+)\.$/m
const NOTHING = 'nothing'

/** What the code says that its migration follows: a name, null for nothing, undefined where it does not say. */
export function readFollows(code: string): string | null | undefined {
  const name = FOLLOWS.exec(code)?.[1]
  return name === NOTHING ? null : name
}

/** The width by which Prettier breaks lines, when nothing else is configured. */
const WIDTH = 80

/** The code of a migration: named functions and the array of `[up, down]`, formatted as Prettier does by default. */
export function renderMigration(plan: Pick<OperationPlan, 'operations'>, options: RenderOptions): string {
  const esm = options.module === 'esm'
  const blocks = [
    [
      '// The operations of this migration as [up, down]. Ups run from first to last,',
      '// downs from last to first. Add your own: `:?` marks a parameter, as in',
      '// await client.execute(`UPDATE "User" SET "name" = :?`, ["Ada"]).',
      ...(options.follows === undefined ? [] : [`// Follows ${options.follows ?? NOTHING}.`]),
      ...answerLines(options.answers ?? NO_ANSWERS),
    ].join('\n'),
  ]
  if (esm && options.transaction === false) blocks.push('export const transaction = false;')
  for (const { up, down } of plan.operations) {
    blocks.push(renderFunction(up))
    if (down) blocks.push(renderFunction(down))
  }
  const pairs = plan.operations.map(({ up, down }) => [up.name, down ? down.name : 'null'] as const)
  blocks.push(renderPairs(esm ? 'export default ' : 'module.exports = ', pairs))
  if (!esm && options.transaction === false) blocks.push('module.exports.transaction = false;')
  return `${blocks.join('\n\n')}\n`
}

function renderFunction({ name, statements, note }: PlannedFunction): string {
  const lines = (note ?? '').split('\n').flatMap((line) => (line.trim() === '' ? [] : [`  // ${plainLine(line)}`]))
  if (statements.length === 0) return block(`async function ${name}() {`, lines)
  return block(`async function ${name}({ client }) {`, [...lines, ...statements.map(renderStatement)])
}

function block(head: string, lines: readonly string[]): string {
  return lines.length === 0 ? `${head}}` : [head, ...lines, '}'].join('\n')
}

function renderStatement(sql: string): string {
  const template = templateLiteral(sql)
  const line = `  await client.execute(${template});`
  if (template.includes('\n')) return line
  // Prettier: a tab has no width (getStringWidth leaves control characters out).
  const least = line.replace(/[^ -\u02ff]/g, '').length
  const most = least + 2 * line.replace(/[\0-\u02ff]/g, '').length
  if (most <= WIDTH) return line
  if (least > WIDTH) return `  await client.execute(\n    ${template},\n  );`
  // Whether characters of unknown width still fit the line is left open: a continued line is never broken.
  return `  await client.execute(\`\\\n${template.slice(1)});`
}

function renderPairs(head: string, pairs: readonly (readonly [string, string])[]): string {
  if (pairs.length === 0) return `${head}[];`
  const [[up, down] = ['', '']] = pairs
  const single = `${head}[[${up}, ${down}]];`
  if (pairs.length === 1 && columns(single) <= WIDTH) return single
  const lines = pairs.flatMap(([up, down]) => {
    const line = `  [${up}, ${down}],`
    return columns(line) <= WIDTH ? [line] : ['  [', `    ${up},`, `    ${down},`, '  ],']
  })
  return [`${head}[`, ...lines, '];'].join('\n')
}

/** Characters that fill two columns in a terminal (Unicode: East Asian Width W and F), among those of identifiers. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]|[\u{1aff0}-\u{1b2ff}\u{20000}-\u{3fffd}]/gu

function columns(line: string): number {
  const bare = line.replace(/[\u0300-\u036f]/g, '')
  return [...bare].length + (bare.match(WIDE)?.length ?? 0)
}

/**
 * The text as a template literal that evaluates to the very same text. Escaped besides backslash, backtick and `${`: the
 * carriage return (a template turns it into a line feed), other control characters, line separators, marks that reorder
 * text, the byte order mark and halves of surrogate pairs.
 */
export function templateLiteral(text: string): string {
  const escaped = text
    .replace(/[\\`]|\$(?=\{)/g, '\\$&')
    .replace(
      /[\0-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|\p{Surrogate}/gu,
      (character) =>
        character === '\t'
          ? '\t'
          : character === '\r'
            ? '\\r'
            : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
  return `\`${escaped}\``
}
