/**
 * Migrations for plain Knex, which have neither rays nor Prisma to help them: whatever fails, nothing stays open on the
 * connection that Knex hands to the application next, and its settings are as they were.
 */
import type { Provider } from '../../engines/engine.js'
import { type RenderKnex, renderKnexMigration, type Statement, type Wrapping } from './form.js'
import { controlsTransaction } from './record.js'

/** How the statements of a migration are held together. */
export type Holding =
  /** Knex's transaction, in which its own row is, too. */
  | 'knex'
  /** A transaction of its own. */
  | 'own'
  /** None: each statement for itself. */
  | 'none'

export interface ExportedMigration extends Omit<RenderKnex, 'wrapping' | 'transaction'> {
  readonly holding: Holding
  /** SQLite: foreign keys are off while it runs, because the rows of children go with the old of a table that is built anew. */
  readonly foreignKeysOff: boolean
  /** SQLite: the database may put the check of foreign keys off to COMMIT. */
  readonly defers: boolean
}

/** What puts settings back, per database. `remember` returns the function that does it. */
const REMEMBER: { readonly [P in Provider]: string } = {
  postgresql: `async function remember(knex, names) {
  const values = [];
  for (const name of names) {
    const { rows } = await knex.raw('SELECT current_setting(?, true) AS value', [name]);
    values.push(rows[0].value ?? '');
  }
  return async () => {
    for (const [i, name] of names.entries()) {
      // In a transaction that has failed it cannot be sent, and need not: its end puts the setting back.
      await knex.raw('SELECT set_config(?, ?, false)', [name, values[i]]).catch(() => undefined);
    }
  };
}`,
  mysql: `async function remember(knex, names) {
  const known = [];
  for (const name of names) {
    await knex.raw(\`SET @before_\${name} = @@SESSION.\${name}\`).then(() => known.push(name), () => undefined);
  }
  return async () => {
    await knex.raw('UNLOCK TABLES').catch(() => undefined);
    for (const name of known) await knex.raw(\`SET SESSION \${name} = @before_\${name}\`).catch(() => undefined);
  };
}`,
  sqlite: `async function remember(knex, names) {
  const values = [];
  for (const name of names) {
    const [row] = await knex.raw(\`PRAGMA \${name}\`);
    if (row) values.push([name, Object.values(row)[0]]);
  }
  return async () => {
    for (const [name, value] of values) await knex.raw(\`PRAGMA \${name} = \${value}\`);
  };
}`,
}

const RESTORING = `// Whatever happens, the settings of the connection are put back.
async function restoring(knex, settings, statements) {
  const putBack = await remember(knex, settings);
  try {
    await statements(knex);
  } finally {
    await putBack();
  }
}`

const ALONE = `// On one connection of the pool. Whatever happens, no transaction stays open on it, and its settings are put back.
async function onOneConnection(knex, settings, statements) {
  if (knex.isTransaction) throw new Error('This migration cannot run in a transaction.');
  const connection = await knex.client.acquireConnection();
  const one = { raw: (...query) => knex.raw(...query).connection(connection) };
  try {
    const putBack = await remember(one, settings);
    try {
      await statements(one);
    } finally {
      await one.raw('ROLLBACK').catch(() => undefined);
      await putBack();
    }
  } finally {
    await knex.client.releaseConnection(connection);
  }
}`

const CHECKED = `// Rows that would lose what they refer to are found before COMMIT, which may not look, or fail when nobody rolls back.
async function checked(knex, statements) {
  const orphans = () => knex.raw('PRAGMA foreign_key_check').then((found) => found.length, () => undefined);
  const before = await orphans();
  await statements(knex);
  if ((await orphans()) > before) throw new Error('FOREIGN KEY constraint failed: rows refer to rows that do not exist.');
}`

const HELPERS: readonly string[] = [...Object.values(REMEMBER), RESTORING, ALONE, CHECKED]

/** The text of an exported migration. */
export function renderExported(migration: ExportedMigration): string {
  const { holding, provider, up, down, foreignKeysOff, defers, ...rest } = migration
  const both = [...up, ...(down ?? [])].map(({ sql }) => sql)
  const settings = [...new Set(both.flatMap((sql) => settingsIn(sql, provider)))]
  const locks = provider === 'mysql' && both.some((sql) => /^\s*LOCK\s+TABLES?\b/i.test(plain(sql)))
  const alone = holding !== 'knex'
  const restores = settings.length > 0 || locks
  const checks = provider === 'sqlite' && holding !== 'none' && (foreignKeysOff || defers)
  const names = [...new Set([...(foreignKeysOff ? ['foreign_keys'] : []), ...settings])]
  const list = `[${names.map((name) => `'${name}'`).join(', ')}]`
  const wrapping: Wrapping = {
    calls: [
      ...(alone ? [`onOneConnection(knex, ${list}, `] : restores ? [`restoring(knex, ${list}, `] : []),
      ...(checks && !alone ? ['checked(knex, '] : []),
    ],
    helpers: [
      ...(alone ? [ALONE] : restores ? [RESTORING] : []),
      ...(alone || restores ? [REMEMBER[provider]] : []),
      ...(checks ? [CHECKED] : []),
    ],
    ...(holding === 'own' && {
      inside: {
        before: [...(foreignKeysOff ? ['PRAGMA foreign_keys=OFF'] : []), BEGIN[provider]],
        call: checks ? 'checked(knex, ' : undefined,
        after: ['COMMIT'],
      },
    }),
  }
  return renderKnexMigration({ ...rest, provider, up, down, wrapping, transaction: holding === 'knex' })
}

/** SQLite: nobody else may write between what it reads first and what it writes. */
const BEGIN: { readonly [P in Provider]: string } = { postgresql: 'BEGIN', mysql: 'BEGIN', sqlite: 'BEGIN IMMEDIATE' }

/** The source of a migration without what an export put into it. */
export function withoutHelpers(source: string): string {
  return HELPERS.reduce((text, helper) => text.replace(helper, ''), source.replace(/\r\n/g, '\n'))
}

/** Statements as they are in Knex's transaction: none of them ends it, or begins another. */
export function inKnexTransaction(statements: readonly Statement[]): readonly Statement[] {
  return statements.filter(({ sql }) => !controlsTransaction(plain(sql)))
}

/** Where foreign keys are off all the while, nothing switches them. */
export function withoutSwitches(statements: readonly Statement[], foreignKeysOff: boolean): readonly Statement[] {
  return statements.filter(({ sql }) => !foreignKeysOff || !/^PRAGMA\s+(?:\w+\.)?foreign_keys\b/i.test(plain(sql)))
}

/** The text without the comments before it, and with what MySQL reads in comments. */
function plain(sql: string): string {
  return sql
    .replace(/\/\*M?!\d*([\s\S]*?)\*\//g, '$1')
    .replace(/^(?:\s+|--[^\n]*(?:\n|$)|#[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)+/, '')
}

/** Pragmas that are kept in the file, that a transaction puts back itself, or that do something. */
const NO_SETTINGS =
  /^(application_id|auto_vacuum|defer_foreign_keys|encoding|incremental_vacuum|journal_mode|optimize|page_size|schema_version|shrink_memory|user_version|wal_checkpoint)$/i

/** The settings of the session that a statement changes. */
function settingsIn(statement: string, provider: Provider): string[] {
  const sql = plain(statement)
  if (provider === 'sqlite') {
    const [, name = ''] = /^PRAGMA\s+(?:\w+\.)?(\w+)\s*[=(]/i.exec(sql) ?? []
    return name === '' || NO_SETTINGS.test(name) || /_(?:check|info|list|xinfo)$/i.test(name)
      ? []
      : [name.toLowerCase()]
  }
  return provider === 'postgresql' ? settingsOfPostgresql(sql) : settingsOfMysql(sql)
}

function settingsOfPostgresql(sql: string): string[] {
  const called = [...sql.matchAll(/\bset_config\s*\(\s*'([\w.]+)'/gi)].map(([, name = '']) => name)
  const [, word = ''] =
    /^(?:SET\s+(?:SESSION\s+(?!AUTHORIZATION|CHARACTERISTICS))?(?!LOCAL\b|TRANSACTION\b|CONSTRAINTS\b|SESSION\s+CHAR)|RESET\s+(?!ALL\b))("?[\w.]+"?)/i.exec(
      sql,
    ) ?? []
  const name = word.replace(/"/g, '').toLowerCase()
  const others: Readonly<Record<string, string>> = {
    time: 'timezone',
    schema: 'search_path',
    names: 'client_encoding',
    session: 'session_authorization',
  }
  return [...called, ...(name === '' ? [] : [others[name] ?? name])].map((each) => each.toLowerCase())
}

function settingsOfMysql(sql: string): string[] {
  if (!/^SET\b/i.test(sql)) return []
  if (/^SET\s+(?:NAMES|CHARACTER\s+SET|CHARSET)\b/i.test(sql))
    return ['character_set_client', 'character_set_results', 'collation_connection']
  if (/^SET\s+(?:SESSION\s+)TRANSACTION\b/i.test(sql))
    return ['transaction_isolation', 'tx_isolation', 'transaction_read_only', 'tx_read_only']
  const assigned = /(?:^SET|,)\s*(GLOBAL\s+|PERSIST\s+|SESSION\s+|LOCAL\s+|@@(?:\w+\.)?)?([a-z_]\w*)\s*:?=/gi
  return [...sql.matchAll(assigned)].flatMap(([, scope = '', name = '']) =>
    /GLOBAL|PERSIST/i.test(scope) ? [] : [name.toLowerCase()],
  )
}
