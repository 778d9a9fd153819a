/** What a migration sets in the session by a function or a trigger reaches neither its row nor the next migration. */
import { type FaultCase, fault, M1, M2, M3, type Op } from '../support/faults.js'

const M4 = '20260104000000_d'
const ON = { on: ['postgresql'] } as const

function plain(...statements: string[]): Op {
  return { up: statements.map((sql) => `await client.execute(\`${sql}\`)`).join('\n  '), down: '' }
}

/** Everything that a function can set and that would change what the next migration does. */
const SETS = [
  "PERFORM set_config('search_path', 'other', false)",
  "PERFORM set_config('session_replication_role', 'replica', false)",
  "PERFORM set_config('app.tenant', '7', false)",
  "EXECUTE 'SET statement_timeout = 7000'",
  "EXECUTE 'SET TIME ZONE ''Pacific/Kiritimati'''",
  "EXECUTE 'SET default_transaction_read_only = on'",
  "EXECUTE 'PREPARE left_over AS SELECT 1'",
  "EXECUTE 'CREATE TEMP TABLE a AS SELECT 0 AS id'",
  'PERFORM pg_advisory_unlock_all()',
  "EXECUTE 'SET ROLE pg_monitor'",
]

/** Functions that set everything: called by hand, by a trigger at once, and by one that is put off to COMMIT. */
async function functions(c: FaultCase) {
  await c.db.query(`CREATE SCHEMA other;
    CREATE FUNCTION leak() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN ${SETS.join('; ')}; RETURN 1; END $$;
    CREATE FUNCTION leaks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.leak(); RETURN NULL; END $$;
    CREATE TABLE now (id integer);
    CREATE TRIGGER now AFTER INSERT ON now FOR EACH ROW EXECUTE FUNCTION leaks();
    CREATE TABLE later (id integer);
    CREATE CONSTRAINT TRIGGER later AFTER INSERT ON later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION leaks()`)
}

const READ = `SELECT current_setting('search_path') || ' ' || current_setting('session_replication_role') || ' '
  || coalesce(current_setting('app.tenant', true), '') || ' ' || current_setting('statement_timeout') || ' '
  || (current_setting('timezone') = 'Pacific/Kiritimati') || ' ' || current_setting('default_transaction_read_only') || ' '
  || (current_user = session_user) || ' ' || (SELECT count(*) FROM pg_prepared_statements WHERE name = 'left_over') || ' '
  || (SELECT count(*) FROM pg_class WHERE relpersistence = 't') || ' '
  || (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 72707369 AND pid = pg_backend_pid()) AS said`

async function undisturbed(c: FaultCase, table: string) {
  expect(await c.db.query(`SELECT said FROM public.${table}`)).toEqual([
    { said: expect.stringMatching(/^"?public"? origin {2}0 false off true 0 0 1$/) },
  ])
}

const WAYS = {
  'a function': 'INSERT INTO a SELECT leak() + (SELECT count(*) FROM a)',
  'a trigger': 'INSERT INTO now VALUES (1)',
  'a trigger that is put off to COMMIT': 'INSERT INTO later VALUES (1)',
}

for (const [who, sql] of Object.entries(WAYS)) {
  fault(
    `what ${who} sets reaches neither the row nor the next migration, whatever is sent together`,
    async (c) => {
      await c.fixture()
      await functions(c)
      // The first and the second together in a message; the third asks, and is run for itself.
      c.folder(M2, [plain(sql)])
      c.folder(M3, [plain(`CREATE TABLE seen AS ${READ}`)])
      c.folder(M4, [
        { up: `await client.query('SELECT 1')\n  ${plain(sql, 'CREATE TEMP TABLE b (id integer)').up}`, down: '' },
      ])
      const M5 = '20260105000000_e'
      c.folder(M5, [
        { up: `await client.query('SELECT 1')\n  ${plain(`CREATE TABLE seen_alone AS ${READ}`).up}`, down: '' },
      ])
      await c.next()
      await undisturbed(c, 'seen')
      await undisturbed(c, 'seen_alone')
      expect(await c.db.query("SELECT schemaname AS s FROM pg_tables WHERE tablename = '_prisma_migrations'")).toEqual([
        { s: 'public' },
      ])
      await c.gone()
    },
    ON,
  )

  fault(
    `what ${who} sets ends with its migration in a single transaction, too`,
    async (c) => {
      await c.fixture()
      await functions(c)
      const held = who.includes('COMMIT')
      c.folder(M2, [plain(sql)])
      c.folder(M3, [plain(`CREATE TABLE seen AS ${READ}`)])
      await c.ends(['migrate', '--single-transaction'], 0, /Applied 20260103000000_c/)
      await undisturbed(c, 'seen')
      // What is put off to COMMIT comes when all is done.
      if (held) expect(await c.db.query('SELECT id FROM later')).toEqual([{ id: 1 }])
      await c.gone()
      await c.next()
    },
    ON,
  )
}

fault(
  'what a function sets outside of a transaction reaches neither the journal nor the next operation',
  async (c) => {
    await c.fixture()
    await functions(c)
    const lock = SETS.filter((each) => !each.includes('advisory') && !each.includes('read_only')).join('; ')
    await c.db.query(
      `CREATE OR REPLACE FUNCTION leak() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN ${lock}; RETURN 1; END $$`,
    )
    c.folder(M2, [plain(WAYS['a function']), plain(`CREATE TABLE seen AS ${READ}`)], { transaction: false })
    c.folder(M3, [plain(WAYS['a trigger']), { up: `throw new Error('no')`, down: null }], { transaction: false })
    await c.ends(['migrate'], 1, /20260103000000_c/)
    await undisturbed(c, 'seen')
    expect(await c.applied()).toEqual([M1, M2])
    c.folder(M3, [plain('CREATE TABLE d (id integer)')])
    await c.next()
    expect(await c.tables()).toContain('d')
  },
  ON,
)

fault(
  'what a function sets before it fails is put back for what comes after',
  async (c) => {
    await c.fixture()
    await functions(c)
    c.folder(M2, [plain(WAYS['a function'], 'CREATE TABLE a (id integer)')])
    const before = await c.state()
    await c.ends(['migrate'], 1, /operation 0/i)
    await c.clean(before)
    c.folder(M2, [plain('CREATE TABLE b (id integer)')])
    await c.next()
  },
  ON,
)

fault(
  'what beforeAll sets reaches no migration, and a lock that it gives away stops the run',
  async (c) => {
    await c.fixture()
    await functions(c)
    c.folder(M2, [plain(`CREATE TABLE seen AS ${READ}`)])
    const hook = (sql: string) =>
      c.project.write({
        'raysconfig.js': `module.exports = { databaseUrl: process.env.DATABASE_URL, schemaPath: 'prisma/schema.prisma', migrationsDir: 'prisma/migrations', beforeAll: ({ client }) => client.query(${JSON.stringify(sql)}) }\n`,
      })
    hook('SELECT leak()')
    const before = await c.state()
    await c.ends(['migrate'], 4, /beforeAll.* gave the migration lock away/)
    await c.clean(before)
    hook("SELECT set_config('search_path', 'other', false)")
    await c.next()
    await undisturbed(c, 'seen')
  },
  ON,
)

for (const [who, sql] of Object.entries({
  'a function': 'INSERT INTO a (id) SELECT leak()',
  'a trigger': 'INSERT INTO filled VALUES (1)',
  'a procedure': 'CALL leaks()',
}))
  fault(
    `what ${who} sets does not reach the next migration where nothing rolls back`,
    async (c) => {
      const sets =
        "SET SESSION foreign_key_checks = 0, unique_checks = 0, time_zone = '+12:00', sql_select_limit = 1, sql_safe_updates = 1"
      await c.fixture()
      await c.db.query(`CREATE TABLE filled (id INTEGER)`)
      await c.db.query(`CREATE FUNCTION leak() RETURNS INT NO SQL BEGIN ${sets}; RETURN 7; END`)
      await c.db.query(`CREATE TRIGGER filled BEFORE INSERT ON filled FOR EACH ROW BEGIN ${sets}; END`)
      await c.db.query(`CREATE PROCEDURE leaks() BEGIN ${sets}; END`)
      c.folder(M2, [plain(sql)])
      const read =
        "CONCAT(IF(@@foreign_key_checks, 1, 0), IF(@@unique_checks, 1, 0), ' ', @@time_zone, ' ', @@sql_select_limit > 1, IF(@@sql_safe_updates, 1, 0))"
      c.folder(M3, [
        {
          up: `const [row] = await client.query(\`SELECT ${read} AS said\`)\n  console.error('said', row.said)`,
          down: '',
        },
      ])
      await c.ends(['migrate'], 0, /^said 11 SYSTEM 10$/m)
      await c.next()
    },
    { on: ['mysql'] },
  )

fault(
  'what a migration sets and leaves in a file does not reach the next one',
  async (c) => {
    await c.fixture()
    const left = [
      'PRAGMA case_sensitive_like = ON',
      'CREATE TEMP TABLE a (id INTEGER)',
      'CREATE TEMP VIEW d AS SELECT 1',
    ]
    const read =
      "SELECT ('A' LIKE 'a') || ' ' || (SELECT count(*) FROM sqlite_temp_schema) || ' ' || (SELECT count(*) FROM pragma_database_list) AS said"
    c.folder(M2, [plain(...left)])
    c.folder(M3, [{ up: `const [row] = await client.query(\`${read}\`)\n  console.error('said', row.said)`, down: '' }])
    for (const args of [['migrate', '--single-transaction'], ['migrate']]) {
      const { stderr } = await c.ends(args, 0, /Applied/)
      expect(/^said (.*)$/m.exec(stderr)?.[1]).toMatch(/^1 0 [12]$/)
      await c.ends(['migrate', '--name', M1], 0, /./)
    }
    await c.next()
  },
  { on: ['sqlite'] },
)
