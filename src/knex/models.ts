/** Knex's two tables as Prisma models, exactly as Knex makes them (Knex 3.3: table-creator.js). */
import type { Provider, StatementSyntax } from '../../engines/engine.js'
import { splitStatements } from '../../engines/sql/scanner.js'
import type { PlannedOperation } from '../migrations/operations.js'

const models = (id: string, name: string, time: string) => (table: string) =>
  `model ${table} {
  id             Int       @id @default(autoincrement())${id}
  name           String?${name}
  batch          Int?
  migration_time DateTime?${time}

  @@ignore
}

model ${table}_lock {
  index     Int  @id @default(autoincrement())${id}
  is_locked Int?

  @@ignore
}
`

const MODELS: { readonly [P in Provider]: (table: string) => string } = {
  postgresql: models('', ' @db.VarChar(255)', ' @db.Timestamptz(6)'),
  mysql: models(' @db.UnsignedInt', ' @db.VarChar(255)', ' @db.Timestamp(0)'),
  sqlite: models('', '', ''),
}

/** The models, for the projects whose Prisma is not told of external tables; undefined where no model can have the name. */
export function knexModels(provider: Provider, table: string): string | undefined {
  return /^[A-Za-z]\w*$/.test(table) ? MODELS[provider](table) : undefined
}

/** Makes Knex's tables where they are missing; its down leaves them, because Knex is using them while it runs it. */
export function keepTables(script: string, syntax: StatementSyntax): PlannedOperation {
  const statements = splitStatements(script, syntax).map(({ text }) => text)
  return {
    up: { name: 'createKnexTables', statements },
    down: { name: 'keepKnexTables', statements: [], note: 'Knex keeps its history in them.' },
    summary: "Make Knex's tables where they are missing",
  }
}
