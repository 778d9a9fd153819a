import { createRequire } from 'node:module'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import type { PlannedOperation } from '../../../src/migrations/operations.js'
import { planOperations } from '../../../src/migrations/operations.js'
import { renderMigration, renderReadme, templateLiteral } from '../../../src/migrations/writer.js'
import { engines } from './engines.js'

const prettier = createRequire(import.meta.url)('prettier') as typeof import('prettier')
const seed = Number(process.env.RAYS_SEED ?? Date.now() % 2 ** 31)

const operation = (
  name: string,
  up: readonly string[],
  down: readonly string[] | null,
  note?: string,
): PlannedOperation => ({
  up: { name: `up${name}`, statements: up },
  down: down && { name: `down${name}`, statements: down, ...(note === undefined ? {} : { note }) },
  summary: name,
})

/** What the code sends, ups first. */
async function sent(code: string): Promise<string[]> {
  const module: { exports: [(argument: unknown) => unknown, ((argument: unknown) => unknown) | null][] } = {
    exports: [],
  }
  runInNewContext(code, { module })
  const statements: string[] = []
  const client = { execute: async (sql: string) => statements.push(sql) }
  for (const [up, down] of module.exports) {
    await up({ client })
    await down?.({ client })
  }
  return statements
}

async function expectPretty(code: string) {
  expect(code).toBe(await prettier.format(code, { parser: 'babel' }))
  expect(code).toBe(await prettier.format(code, { parser: 'babel', singleQuote: true }))
}

/** Text with everything that is special in JavaScript, in templates or to Prettier. */
const sqlText = fc
  .array(
    fc.constantFrom(
      ...[
        '`',
        '${',
        '$',
        '{',
        '}',
        '\\',
        '\\n',
        '\n',
        '\r',
        '\r\n',
        '\t',
        '\0',
        '\u2028',
        '\u2029',
        '\uD83D',
        '\uDE00',
        '😀',
      ],
      ...[
        '*/',
        '/*',
        '//',
        "'",
        '"',
        ':?',
        '\uFEFF',
        '\u202E',
        'é',
        'e\u0301',
        '漢字',
        'ユーザー',
        'ｆｕｌｌ',
        '👩‍👩‍👧',
        '🇩🇪',
        'ا',
        '</script>',
      ],
      ...['SELECT', ' ', ' FROM "table"', 'x'.repeat(20)],
    ),
    { minLength: 1, maxLength: 14 },
  )
  .map((parts) => parts.join(''))

describe('the generated code', () => {
  test('evaluates to the very same SQL, whatever characters it holds', async () => {
    const report = await fc.check(
      fc.asyncProperty(fc.array(sqlText, { minLength: 1, maxLength: 3 }), async (statements) => {
        const code = renderMigration({ operations: [operation('X', statements, statements)] }, { module: 'commonjs' })
        expect(await sent(code)).toEqual([...statements, ...statements])
      }),
      { seed, numRuns: 500 },
    )
    if (report.failed) throw new Error(`seed ${seed}: ${fc.defaultReportMessage(report)}`)
  })

  test.each([
    ['a tab, which has no width', (n: number) => `\t${'x'.repeat(n)}`],
    ['half of a pair, which is escaped', (n: number) => `${'x'.repeat(n)}\ud83d`],
    ['plain text', (n: number) => 'x'.repeat(n)],
  ])('breaks a line where Prettier breaks it, with %s', async (_, text) => {
    for (let n = 40; n < 60; n++)
      await expectPretty(renderMigration({ operations: [operation('A', [text(n)], null)] }, { module: 'commonjs' }))
  })

  test('is formatted as Prettier formats it', async () => {
    const name = fc.constantFrom(
      'A',
      'AddUserLastname',
      'x'.repeat(20),
      'y'.repeat(34),
      'z'.repeat(45),
      'テーブル',
      '表'.repeat(22),
      'Й'.repeat(22),
    )
    const report = await fc.check(
      fc.asyncProperty(
        fc.uniqueArray(
          fc.tuple(name, fc.array(sqlText, { maxLength: 2 }), fc.option(fc.array(sqlText, { maxLength: 2 }))),
          {
            maxLength: 3,
            selector: ([name]) => name,
          },
        ),
        fc.constantFrom('commonjs' as const, 'esm' as const),
        fc.boolean(),
        async (parts, module, transaction) => {
          const operations = parts.map(([name, up, down]) => operation(name, up, down, 'A note.\nAnother one.'))
          await expectPretty(renderMigration({ operations }, { module, transaction }))
        },
      ),
      { seed, numRuns: 200 },
    )
    if (report.failed) throw new Error(`seed ${seed}: ${fc.defaultReportMessage(report)}`)
  })

  test('keeps a literal `:?`, because SQL without parameters is sent as it is', async () => {
    const code = renderMigration({ operations: [operation('X', [`SELECT ':?', :?`], null)] }, { module: 'commonjs' })
    expect(await sent(code)).toEqual([`SELECT ':?', :?`])
    expect(code).toContain('module.exports = [[upX, null]];')
  })

  test('shows no character that hides or reorders what a reader sees', () => {
    expect(templateLiteral('a\u202Eb\u2066c\uFEFFd\u200Be\x1B')).toBe('`a\\u202eb\\u2066c\\ufeffd\\u200be\\u001b`')
  })

  test('says in which module system and transaction it runs', () => {
    const plan = { operations: [operation('X', ['SELECT 1'], ['SELECT 2'])] }
    expect(renderMigration(plan, { module: 'esm', transaction: false })).toMatch(
      /^export const transaction = false;$[\s\S]*^export default \[\[upX, downX\]\];$/m,
    )
    expect(renderMigration(plan, { module: 'commonjs', transaction: false })).toMatch(
      /^module.exports.transaction = false;$/m,
    )
    expect(renderMigration(plan, { module: 'commonjs' })).not.toContain('transaction')
  })

  test('carries notes as comments that cannot break out of their line', async () => {
    const plan = { operations: [operation('X', [], [], 'The table a\u2028throw 1\rthrow 2 is kept.\nSecond.')] }
    const code = renderMigration(plan, { module: 'commonjs' })
    expect(code).toContain('async function downX() {\n  // The table a throw 1 throw 2 is kept.\n  // Second.\n}')
    expect(await sent(code)).toEqual([])
  })

  test('names its functions after what they do', () => {
    const plan = planOperations({
      up: '-- AlterTable\nALTER TABLE "User" ADD COLUMN     "lastname" TEXT;\n\n-- CreateIndex\nCREATE INDEX "User_email_idx" ON "User"("email");\n',
      down: '-- DropIndex\nDROP INDEX "User_email_idx";\n\n-- AlterTable\nALTER TABLE "User" DROP COLUMN "lastname";\n',
      engine: engines.postgresql,
    })
    expect(renderMigration(plan, { module: 'esm' })).toContain(`export default [
  [addUserLastname, dropUserLastname],
  [createUserEmailIndex, dropUserEmailIndex],
];`)
  })
})

describe('README.md', () => {
  const input = {
    name: '20261120130501_add_lastname',
    schemaDiffSummary: '\n[*] Changed the `User` table\n  [+] Added column `lastname`\n',
    up: 'ALTER TABLE "User" ADD COLUMN "lastname" TEXT;\n',
    down: '',
    warnings: ['Column User.x is dropped.'],
    notes: ['The down brings\nUser.x back.'],
  }

  test('tells what changes, what is lost or refused, and the SQL both ways', () => {
    expect(renderReadme(input)).toBe(`# 20261120130501_add_lastname

## Changes

\`\`\`
[*] Changed the \`User\` table
  [+] Added column \`lastname\`
\`\`\`

## Before you apply it

- Column User.x is dropped.

## Before you undo it

- The down brings User.x back.

## Up

\`\`\`sql
ALTER TABLE "User" ADD COLUMN "lastname" TEXT;
\`\`\`

## Down

Nothing to do.
`)
  })

  test('fences SQL that holds fences itself', () => {
    expect(renderReadme({ ...input, up: "SELECT '````';" })).toContain("`````sql\nSELECT '````';\n`````")
  })
})
