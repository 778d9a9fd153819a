/** What a PostgreSQL database holds, read from its catalogs. */
import type { ColumnInfo, Leftover, Row, TableInfo } from '../engine.js'
import { literal, quote } from './values.js'

type Query = (sql: string, params?: readonly unknown[]) => Promise<Row[]>

/** Ordinary and partitioned tables, without partitions and without what belongs to an extension. */
const TABLES = `
  SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relrowsecurity AS secured
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = ANY($1) AND c.relname <> '_prisma_migrations'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`

const COLUMNS = `
  WITH t AS (${TABLES})
  SELECT t.oid::text AS table_oid, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, NOT a.attnotnull AS nullable,
    a.atthasdef AND a.attgenerated = '' OR a.attidentity <> '' AS has_default,
    a.attgenerated <> '' OR a.attidentity = 'a' AS generated, ty.typcategory = 'A' AS is_array,
    (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e
      WHERE e.enumtypid = CASE WHEN ty.typcategory = 'A' THEN ty.typelem ELSE ty.oid END) AS enum_values
  FROM t JOIN pg_attribute a ON a.attrelid = t.oid JOIN pg_type ty ON ty.oid = a.atttypid
  WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY t.oid, a.attnum`

/**
 * What is half-done: indexes that are kept up to date and never used (CREATE, REINDEX and DROP INDEX CONCURRENTLY), partitions
 * that are neither attached nor detached, constraints that are not validated. An index of a partitioned table itself is
 * invalid until each partition has its own, which is as it should be.
 * @param version the server's, 15 say; 0: what every version knows
 */
export function leftoversSql(version: number): string {
  // What another session is building at this moment is not left by anybody.
  const built = `AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (p.index_relid = c.oid OR p.relid = i.indrelid AND c.relname ~ '_cc(new|old)[0-9]*$'))`
  const partitions = `UNION ALL
    SELECT 'partition', c.oid, n.nspname, c.relname, quote_ident(pn.nspname) || '.' || quote_ident(p.relname)
    FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_class p ON p.oid = h.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
    WHERE h.inhdetachpending`
  return `
  SELECT kind, l.oid::text AS oid, schema::text AS schema, name::text AS name, of::text AS of FROM (
    SELECT 'index' AS kind, c.oid, n.nspname AS schema, c.relname AS name, COALESCE(owner.relname, t.relname)::text AS of
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_class t ON t.oid = i.indrelid LEFT JOIN pg_class owner ON owner.reltoastrelid = t.oid
    WHERE NOT i.indisvalid AND c.relkind = 'i' AND NOT pg_is_other_temp_schema(n.oid) ${version >= 12 ? built : ''}
    ${version >= 14 ? partitions : ''}
    UNION ALL
    SELECT 'constraint', o.oid, n.nspname, o.conname, t.relname::text
    FROM pg_constraint o JOIN pg_class t ON t.oid = o.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE NOT o.convalidated
  ) l ORDER BY 1, 3, 4`
}

/** A row of {@link leftoversSql}. */
export function leftover(row: Row): Leftover {
  const [kind, schema, name, table] = [row.kind, row.schema, row.name, row.of].map(String) as [
    string,
    string,
    string,
    string,
  ]
  const qualified = `${quote(schema)}.${quote(name)}`
  const shared = { identity: `${kind} ${row.oid} ${qualified}`, schema, name, table, nameMadeUp: false, legal: false }
  if (kind === 'partition')
    return {
      ...shared,
      what: `The partition ${qualified} of ${table} is detached by half`,
      finish: `ALTER TABLE ${table} DETACH PARTITION ${qualified} FINALIZE`,
    }
  if (kind === 'constraint')
    return {
      ...shared,
      legal: true,
      what: `The constraint ${quote(name)} of ${quote(schema)}.${quote(table)} is not validated`,
    }
  const copy = /_cc(?:new|old)\d*$/.exec(name)
  const drop = `DROP INDEX CONCURRENTLY IF EXISTS ${qualified}`
  return {
    ...shared,
    what: `The index ${qualified} of ${quote(table)} is invalid`,
    name: copy ? name.slice(0, copy.index) : name,
    nameMadeUp: copy !== null || (name.startsWith(`${table}_`) && /_(?:idx|key|excl)\d*$/.test(name)),
    remove: drop,
    finish: copy ? drop : `REINDEX INDEX CONCURRENTLY ${qualified}`,
  }
}

/** The names of the columns with the given numbers, in their order. */
const names = (table: string, numbers: string) => `
  (SELECT array_agg(a.attname::text ORDER BY k.ord) FROM unnest(${numbers}) WITH ORDINALITY k(num, ord)
    JOIN pg_attribute a ON a.attrelid = ${table} AND a.attnum = k.num)`

const CONSTRAINTS = `
  WITH t AS (${TABLES})
  SELECT t.oid::text AS table_oid, o.contype AS kind, ${names('o.conrelid', 'o.conkey')} AS columns,
    fn.nspname AS foreign_schema, fc.relname AS foreign_table, ${names('o.confrelid', 'o.confkey')} AS foreign_columns
  FROM t JOIN pg_constraint o ON o.conrelid = t.oid AND o.contype IN ('f', 'c')
    LEFT JOIN pg_class fc ON fc.oid = o.confrelid LEFT JOIN pg_namespace fn ON fn.oid = fc.relnamespace
  ORDER BY t.oid, o.conname`

/** Unique indexes over columns; those over expressions or a part of the rows say nothing about a column alone. */
const UNIQUES = `
  WITH t AS (${TABLES})
  SELECT t.oid::text AS table_oid, i.indisprimary AS primary, ${names('i.indrelid', "(string_to_array(i.indkey::text, ' ')::int2[])[1:i.indnkeyatts]")} AS columns
  FROM t JOIN pg_index i ON i.indrelid = t.oid
  WHERE i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL ORDER BY t.oid, i.indexrelid`

/** All tables of the namespaces, as {@link TableInfo}. */
export async function readTables(
  batch: (queries: readonly string[]) => Promise<Row[][]>,
  schemas: readonly string[],
): Promise<TableInfo[]> {
  const names = `WITH t AS (${TABLES}) SELECT oid::text AS oid, schema, name, secured FROM t ORDER BY schema, name`
  const wanted = `ARRAY[${schemas.map(literal).join(', ')}]::text[]`
  const queries = [names, COLUMNS, CONSTRAINTS, UNIQUES].map((sql) => sql.replace('$1', () => wanted))
  const [tables, ...parts] = await batch(queries)
  const [columns, constraints, uniques] = parts.map(grouped) as [Groups, Groups, Groups]
  return tables!.map((table) => {
    const oid = String(table.oid)
    const indexes = uniques.get(oid) ?? []
    const own = constraints.get(oid) ?? []
    return {
      schema: String(table.schema),
      name: String(table.name),
      columns: (columns.get(oid) ?? []).map(column),
      primaryKey: (indexes.find((row) => row.primary)?.columns ?? []) as string[],
      uniques: indexes.filter((row) => !row.primary).map((row) => row.columns as string[]),
      foreignKeys: own
        .filter((row) => row.kind === 'f')
        .map((row) => ({
          columns: row.columns as string[],
          references: {
            schema: String(row.foreign_schema),
            table: String(row.foreign_table),
            columns: row.foreign_columns as string[],
          },
        })),
      ...(table.secured === true && { hidesRows: true }),
      checks: own.filter((row) => row.kind === 'c').length,
    }
  })
}

function column(row: Row): ColumnInfo {
  return {
    name: String(row.name),
    type: String(row.type),
    nullable: row.nullable === true,
    hasDefault: row.has_default === true,
    generated: row.generated === true,
    ...(row.is_array === true && { isArray: true }),
    ...(row.enum_values !== null && { enumValues: row.enum_values as string[] }),
  }
}

/** Rows by the table that they are about. */
type Groups = ReadonlyMap<string, readonly Row[]>

function grouped(rows: readonly Row[]): Groups {
  const groups = new Map<string, Row[]>()
  for (const row of rows) {
    const key = String(row.table_oid)
    const group = groups.get(key)
    if (group) group.push(row)
    else groups.set(key, [row])
  }
  return groups
}

/** Namespaces that hold a user's objects. */
export async function userSchemas(query: Query): Promise<string[]> {
  const rows = await query(
    `SELECT nspname AS name FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%' ORDER BY 1`,
  )
  return rows.map((row) => String(row.name))
}

/** The namespaces of {@link userSchemas} that no extension brought along. */
export async function ownSchemas(query: Query): Promise<string[]> {
  const rows = await query(
    `SELECT nspname AS name FROM pg_namespace n WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
    ORDER BY 1`,
  )
  return rows.map((row) => String(row.name))
}

/** The namespaces beside `public` that extensions were put into. */
export async function extensionSchemas(query: Query): Promise<string[]> {
  const rows = await query(
    `SELECT DISTINCT n.nspname AS name FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
      WHERE n.nspname NOT IN ('information_schema', 'public') AND n.nspname NOT LIKE 'pg\\_%'`,
  )
  return rows.map((row) => String(row.name))
}

export interface LooseObject {
  /** As the server calls it: `view`, `function`, `sequence`, `enum`, `text search configuration`, ... */
  readonly kind: string
  /** Without its namespace. */
  readonly name: string
  /** Quoted, with its namespace and the types of its arguments. */
  readonly identity: string
}

/**
 * Whatever goes with the namespaces beside their tables and extensions and what belongs to these: each object that the
 * server itself has noted as lying in a namespace, of any kind. A sequence or statistics of a table's column, a
 * partition, and the functions behind a range are parts of something else.
 */
export async function looseObjects(query: Query, schemas: readonly string[]): Promise<LooseObject[]> {
  const rows = await query(
    `SELECT CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE i.type END AS kind,
        COALESCE(c.relname, t.typname, i.name)::text AS name, i.identity AS identity
      FROM pg_depend d JOIN pg_namespace n ON n.oid = d.refobjid
        LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
        LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
        CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) i
      WHERE d.refclassid = 'pg_namespace'::regclass AND d.deptype = 'n' AND n.nspname = ANY($1)
        AND d.classid <> 'pg_extension'::regclass AND COALESCE(c.relkind NOT IN ('r', 'p'), true)
        AND NOT EXISTS (SELECT FROM pg_depend o WHERE o.classid = d.classid AND o.objid = d.objid AND o.objsubid = 0
          AND o.deptype IN ('a', 'i', 'e'))
      ORDER BY n.nspname, d.classid, d.objid`,
    [[...schemas]],
  )
  return rows.map((row) => ({ kind: String(row.kind), name: String(row.name), identity: String(row.identity) }))
}

/**
 * SQL that empties a namespace. Its owner drops it whole and makes it again with the grants and the comment it had;
 * anybody else drops the objects one by one.
 */
export async function emptySchemaSql(query: Query, schema: string): Promise<string> {
  const [found] = await query(
    `SELECT pg_has_role(n.nspowner, 'USAGE') AND has_database_privilege(current_database(), 'CREATE') AS mine,
      pg_get_userbyid(n.nspowner) AS owner, obj_description(n.oid, 'pg_namespace') AS comment,
      (SELECT array_agg(format('GRANT %s ON SCHEMA %I TO %s%s;', a.privilege_type, n.nspname,
          CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
          CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END))
        FROM aclexplode(n.nspacl) a WHERE a.grantee <> n.nspowner) AS grants
    FROM pg_namespace n WHERE n.nspname = $1`,
    [schema],
  )
  if (!found) return ''
  if (found.mine !== true) return dropEach(schema)
  const name = quote(schema)
  const comment = found.comment === null ? '' : ` COMMENT ON SCHEMA ${name} IS ${literal(found.comment)};`
  const grants = ((found.grants ?? []) as string[]).join(' ')
  return `DROP SCHEMA ${name} CASCADE; CREATE SCHEMA ${name} AUTHORIZATION ${quote(String(found.owner))};${comment} ${grants}`
}

/** Drops the objects of a namespace: extensions, relations, routines and types, each with what depends on it. */
function dropEach(schema: string): string {
  const inSchema = `(SELECT oid FROM pg_namespace WHERE nspname = ${literal(schema)})`
  const drops = [
    `SELECT format('EXTENSION IF EXISTS %I', extname) FROM pg_extension WHERE extnamespace = ${inSchema}`,
    `SELECT format('%s IF EXISTS %s', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW'
        WHEN 'S' THEN 'SEQUENCE' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, oid::regclass)
      FROM pg_class WHERE relnamespace = ${inSchema} AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')`,
    `SELECT format('ROUTINE IF EXISTS %s', oid::regprocedure) FROM pg_proc WHERE pronamespace = ${inSchema}`,
    `SELECT format('TYPE IF EXISTS %s', t.oid::regtype) FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
      WHERE t.typnamespace = ${inSchema} AND (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND c.relkind = 'c')`,
    `SELECT format('COLLATION IF EXISTS %I.%I', ${literal(schema)}, collname) FROM pg_collation WHERE collnamespace = ${inSchema}`,
  ]
  // ARRAY: the names are written before the first drop, for an object that is gone has none.
  const loops = drops.map(
    (sql) => `FOREACH what IN ARRAY ARRAY(${sql}) LOOP EXECUTE 'DROP ' || what || ' CASCADE'; END LOOP;`,
  )
  return doBlock(`DECLARE what text;\nBEGIN\n${loops.join('\n')}\nEND`)
}

/** SQL that drops what is in a namespace, object by object, but for what extensions brought along. */
export async function dropObjectsSql(query: Query, schema: string): Promise<string> {
  const tables = await query(
    `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`,
    [schema],
  )
  const drops = [
    ...tables.map(({ name }) => `TABLE IF EXISTS ${quote(schema)}.${quote(String(name))}`),
    ...(await looseObjects(query, [schema])).map(
      ({ kind, identity }) => `${kind === 'enum' || kind === 'domain' ? 'type' : kind} IF EXISTS ${identity}`,
    ),
  ]
  return drops.map((what) => `DROP ${what} CASCADE;`).join('\n')
}

/** `DO` around a body, with a dollar tag that the body does not contain. */
export function doBlock(body: string): string {
  let tag = '$rays$'
  for (let i = 0; body.includes(tag); i++) tag = `$rays${i}$`
  return `DO ${tag}\n${body}\n${tag};`
}
