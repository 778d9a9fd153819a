// Projects with a history of many migrations, the same SQL for rays, Prisma and Knex.
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { engineFor } from '../dist/engines/index.js'
import { splitStatements } from '../dist/engines/sql/scanner.js'
import { makeMigration } from '../dist/src/commands/makemigration.js'
import { loadConfig } from '../dist/src/config/config.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MODELS = 20

/** The columns that migrations added and none dropped: after any even migration from the sixth on, three. */
function extras(k) {
  const found = []
  for (let i = 2; i <= k; i++) {
    if (i % 2 === 0 && i >= 6) found.splice(found.indexOf(i - 3), 1)
    else found.push(i)
  }
  return found
}

/** The schema after the k-th migration: of the same size after 10 as after 500, so that only the history's length differs. */
function schemaAfter(k, provider) {
  const text = provider === 'mysql' ? 'String? @db.VarChar(100)' : 'String?'
  const added = extras(k)
  const model = (n) =>
    [
      `model Model${n} {`,
      '  id        Int      @id @default(autoincrement())',
      '  email     String   @unique',
      '  name      String?',
      '  score     Int      @default(0)',
      '  createdAt DateTime @default(now())',
      ...(n > 0
        ? ['  parentId  Int?', `  parent    Model${n - 1}? @relation(fields: [parentId], references: [id])`]
        : []),
      ...(n < MODELS - 1 ? [`  children  Model${n + 1}[]`] : []),
      ...added.filter((i) => i % MODELS === n).map((i) => `  extra_${i}  ${text}`),
      '  @@index([name, score])',
      '}',
      '',
    ].join('\n')
  const models = Array.from({ length: MODELS }, (_, n) => model(n))
  return [`datasource db {\n  provider = "${provider}"\n}\n`, ...models].join('\n')
}

/**
 * Makes a project whose migrations folder holds `count` migrations, written by rays (and read by Prisma as they are),
 * and a folder of the same migrations for Knex. The schema is one step ahead, for makemigration.
 * @returns {Promise<{ folder: string, knex: string, next(): void, current(): void }>}
 */
export async function makeProject(folder, database, url, count) {
  const { provider } = database
  const schemaFile = path.join(folder, 'prisma/schema.prisma')
  const knexMigrations = path.join(folder, 'knex')
  mkdirSync(path.join(folder, 'prisma'), { recursive: true })
  mkdirSync(knexMigrations)
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'), 'dir')
  const write = (name, text) => writeFileSync(path.join(folder, name), text)
  write('package.json', '{ "name": "bench-project", "private": true }\n')
  write(
    'raysconfig.js',
    "module.exports = { schemaPath: 'prisma/schema.prisma', migrationsDir: 'prisma/migrations', databaseUrl: process.env.DATABASE_URL }\n",
  )
  write(
    'prisma.config.ts',
    "export default { schema: 'prisma/schema.prisma', datasource: { url: process.env.DATABASE_URL } }\n",
  )
  write(
    'knexfile.js',
    'module.exports = { ...JSON.parse(process.env.RAYS_BENCH_KNEX), migrations: { directory: "./knex" } }\n',
  )

  const schema = (k) => writeFileSync(schemaFile, schemaAfter(k, provider))
  schema(1)
  const { syntax } = await engineFor(provider)
  const context = {
    config: await loadConfig({
      cwd: folder,
      env: { ...process.env, DATABASE_URL: url },
      readDatasource: async () => undefined,
    }),
    host: quiet(),
  }
  for (let k = 1; k <= count; k++) {
    schema(k)
    const { migrations } = await makeMigration(context, { name: `step ${k}`, verify: false })
    for (const { name, script, down } of migrations) {
      const code = `exports.up = ${knexFunction(script, syntax)}\nexports.down = ${knexFunction(down, syntax)}\n`
      writeFileSync(path.join(knexMigrations, `${name}.js`), code)
    }
  }
  return {
    folder,
    next: () => schema(count + 1),
    current: () => schema(count),
    clean: (made) => rmSync(made, { recursive: true }),
  }
}

function knexFunction(script, syntax) {
  const calls = splitStatements(script, syntax).map(
    (statement) => `  await knex.raw(${JSON.stringify(statement.text)})`,
  )
  return `async (knex) => {\n${calls.join('\n')}\n}`
}

function quiet() {
  const nothing = () => {}
  return {
    note: nothing,
    warn: nothing,
    progress: nothing,
    output: nothing,
    changes: nothing,
    canAsk: false,
    confirm: async () => true,
    ask: async () => '',
    signal: new AbortController().signal,
    now: () => new Date(),
  }
}
