/** The whole structure of a PostgreSQL database as text, read from its catalogs. */
import type { Connection, DatabaseObject, Row, Structure } from '../engine.js'
import { literal } from './values.js'

/** What an extension brought along is the extension's. */
const own = (catalog: string, oid: string) =>
  `NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.deptype = 'e')`

const IS_UNMODELLED_INDEX = 'i.indpred IS NOT NULL OR i.indexprs IS NOT NULL'

/**
 * One line for each part, with the statements that put it right where there are some. Constraints and indexes carry
 * their names and definitions; the order of columns and (as in Prisma) of an
 * enum's values does not count.
 */
const LINES = `
  WITH ns AS (SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY($1)),
  rel AS (
    SELECT c.*, ns.nspname, quote_ident(ns.nspname) || '.' || quote_ident(c.relname) AS full_name
    FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relname <> '_prisma_migrations' AND ${own('pg_class', 'c.oid')})
  SELECT 'relation ' || full_name || ' ' || relkind::text || relpersistence::text
      || CASE WHEN relrowsecurity THEN ' row security' ELSE '' END || CASE WHEN relforcerowsecurity THEN ' forced' ELSE '' END
      || CASE WHEN relkind = 'p' THEN ' ' || pg_get_partkeydef(oid) ELSE '' END
      || CASE WHEN relispartition THEN ' ' || pg_get_expr(relpartbound, oid) ELSE '' END AS line,
      NULL::int AS rank, NULL::text[] AS make, NULL::text[] AS remove
    FROM rel
  UNION ALL
  SELECT 'column ' || rel.full_name || '.' || quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
      || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
      || CASE WHEN a.attidentity <> '' THEN ' identity ' || a.attidentity::text ELSE '' END
      || CASE WHEN a.attgenerated <> '' THEN ' generated' ELSE '' END
      || CASE WHEN a.attcollation <> t.typcollation THEN ' collate ' || a.attcollation::regcollation::text ELSE '' END
      || COALESCE(' default ' || pg_get_expr(f.adbin, f.adrelid), ''),
      1, CASE WHEN rel.relkind IN ('r', 'p') AND a.attidentity = '' AND a.attgenerated = '' THEN ARRAY[
        format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', rel.full_name, a.attname),
        format('ALTER TABLE %s ALTER COLUMN %I SET DATA TYPE %s%s USING %I::%s', rel.full_name, a.attname, format_type(a.atttypid, a.atttypmod),
          CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || a.attcollation::regcollation::text ELSE '' END, a.attname, format_type(a.atttypid, a.atttypmod)),
        format('ALTER TABLE %s ALTER COLUMN %I %s NOT NULL', rel.full_name, a.attname, CASE WHEN a.attnotnull THEN 'SET' ELSE 'DROP' END)]
        || COALESCE('ALTER TABLE ' || rel.full_name || ' ALTER COLUMN ' || quote_ident(a.attname) || ' SET DEFAULT ' || pg_get_expr(f.adbin, f.adrelid), '') END,
      '{}'
    FROM rel JOIN pg_attribute a ON a.attrelid = rel.oid JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped AND rel.relkind IN ('r', 'p', 'm', 'f')
  UNION ALL
  SELECT 'constraint ' || rel.full_name || '.' || quote_ident(o.conname) || ' ' || pg_get_constraintdef(o.oid),
      CASE o.contype WHEN 'f' THEN 4 ELSE 3 END,
      ARRAY['ALTER TABLE ' || rel.full_name || ' ADD CONSTRAINT ' || quote_ident(o.conname) || ' ' || pg_get_constraintdef(o.oid)],
      ARRAY['ALTER TABLE ' || rel.full_name || ' DROP CONSTRAINT IF EXISTS ' || quote_ident(o.conname)]
    FROM rel JOIN pg_constraint o ON o.conrelid = rel.oid WHERE o.contype <> 't' AND o.contype <> 'n'
  UNION ALL
  SELECT 'index ' || rel.full_name || ' ' || pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' invalid' END,
      CASE WHEN k.oid IS NULL THEN 2 END, ARRAY[pg_get_indexdef(i.indexrelid)], ARRAY[format('DROP INDEX IF EXISTS %I.%I', n.nspname, x.relname)]
    FROM rel JOIN pg_index i ON i.indrelid = rel.oid JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace n ON n.oid = x.relnamespace
      LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')
  UNION ALL
  SELECT 'sequence ' || rel.full_name || ' ' || format_type(s.seqtypid, NULL) || ' by ' || s.seqincrement || ' from ' || s.seqstart, NULL, NULL, NULL
    FROM rel JOIN pg_sequence s ON s.seqrelid = rel.oid
  UNION ALL
  SELECT 'enum ' || quote_ident(ns.nspname) || '.' || quote_ident(t.typname) || ' '
      || COALESCE((SELECT string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumlabel) FROM pg_enum e WHERE e.enumtypid = t.oid), ''), NULL, NULL, NULL
    FROM pg_type t JOIN ns ON ns.oid = t.typnamespace WHERE t.typtype = 'e' AND ${own('pg_type', 't.oid')}
  UNION ALL
  SELECT CASE t.typtype WHEN 'd' THEN 'domain ' ELSE 'type ' END || quote_ident(ns.nspname) || '.' || quote_ident(t.typname)
      || COALESCE(' ' || format_type(NULLIF(t.typbasetype, 0), t.typtypmod), '')
      || COALESCE(' ' || (SELECT string_agg(pg_get_constraintdef(o.oid), ' ' ORDER BY o.conname) FROM pg_constraint o WHERE o.contypid = t.oid), ''), NULL, NULL, NULL
    FROM pg_type t JOIN ns ON ns.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE (t.typtype IN ('d', 'r') OR t.typtype = 'c' AND c.relkind = 'c') AND ${own('pg_type', 't.oid')}`

/**
 * What a Prisma schema does not model, in an order in which it can be made. `identity` names the thing, `make` and
 * `remove` are statements; `make` is NULL where none can be told.
 */
const OBJECTS = `
  WITH ns AS (SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY($1)),
  rel AS (
    SELECT c.*, quote_ident(ns.nspname) || '.' || quote_ident(c.relname) AS full_name
    FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relname <> '_prisma_migrations' AND ${own('pg_class', 'c.oid')})
  SELECT * FROM (
  SELECT 0 AS rank, 0::bigint AS at, 'extension' AS kind, e.extname::text AS name, NULL::text AS on_table, quote_ident(e.extname) AS identity,
      'CREATE EXTENSION IF NOT EXISTS ' || quote_ident(e.extname) AS make, 'DROP EXTENSION IF EXISTS ' || quote_ident(e.extname) AS remove
    FROM pg_extension e WHERE e.extname <> 'plpgsql'
  UNION ALL
  SELECT 1, t.oid::bigint, CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, t.typname, NULL,
      quote_ident(ns.nspname) || '.' || quote_ident(t.typname), NULL,
      CASE t.typtype WHEN 'd' THEN 'DROP DOMAIN IF EXISTS ' ELSE 'DROP TYPE IF EXISTS ' END || quote_ident(ns.nspname) || '.' || quote_ident(t.typname)
    FROM pg_type t JOIN ns ON ns.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE (t.typtype IN ('d', 'r') OR t.typtype = 'c' AND c.relkind = 'c') AND ${own('pg_type', 't.oid')}
  UNION ALL
  SELECT 2, rel.oid::bigint, 'sequence', rel.relname, NULL, rel.full_name,
      format('CREATE SEQUENCE %s AS %s INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s%s', rel.full_name, format_type(s.seqtypid, NULL),
        s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache, CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END),
      'DROP SEQUENCE IF EXISTS ' || rel.full_name
    FROM rel JOIN pg_sequence s ON s.seqrelid = rel.oid
    WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = rel.oid AND d.deptype IN ('a', 'i'))
  UNION ALL
  SELECT 3, p.oid::bigint, CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END, p.proname, NULL,
      p.oid::regprocedure::text, CASE WHEN p.prokind IN ('f', 'p', 'w') THEN rtrim(pg_get_functiondef(p.oid), E'\\n') END,
      CASE p.prokind WHEN 'p' THEN 'DROP PROCEDURE IF EXISTS ' WHEN 'a' THEN 'DROP AGGREGATE IF EXISTS ' ELSE 'DROP FUNCTION IF EXISTS ' END
        || quote_ident(ns.nspname) || '.' || quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')'
    FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace WHERE ${own('pg_proc', 'p.oid')}
  UNION ALL
  SELECT 4, rel.oid::bigint, CASE rel.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, rel.relname, NULL, rel.full_name,
      CASE rel.relkind WHEN 'm' THEN 'CREATE MATERIALIZED VIEW ' ELSE 'CREATE OR REPLACE VIEW ' END || rel.full_name || ' AS'
        || E'\\n' || rtrim(pg_get_viewdef(rel.oid), ';'),
      CASE rel.relkind WHEN 'm' THEN 'DROP MATERIALIZED VIEW IF EXISTS ' ELSE 'DROP VIEW IF EXISTS ' END || rel.full_name
    FROM rel WHERE rel.relkind IN ('v', 'm')
  UNION ALL
  SELECT 5, i.indexrelid::bigint, 'index', x.relname, rel.relname, quote_ident(xn.nspname) || '.' || quote_ident(x.relname),
      pg_get_indexdef(i.indexrelid), 'DROP INDEX IF EXISTS ' || quote_ident(xn.nspname) || '.' || quote_ident(x.relname)
    FROM rel JOIN pg_index i ON i.indrelid = rel.oid JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace xn ON xn.oid = x.relnamespace
    WHERE (${IS_UNMODELLED_INDEX} OR rel.relkind = 'm')
      AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = i.indexrelid AND o.contype = 'x')
  UNION ALL
  SELECT 6, o.oid::bigint, CASE o.contype WHEN 'c' THEN 'check constraint' ELSE 'exclusion constraint' END, o.conname, rel.relname,
      rel.full_name || '.' || quote_ident(o.conname),
      'ALTER TABLE ' || rel.full_name || ' ADD CONSTRAINT ' || quote_ident(o.conname) || ' ' || pg_get_constraintdef(o.oid),
      'ALTER TABLE IF EXISTS ' || rel.full_name || ' DROP CONSTRAINT IF EXISTS ' || quote_ident(o.conname)
    FROM rel JOIN pg_constraint o ON o.conrelid = rel.oid WHERE o.contype IN ('c', 'x')
  UNION ALL
  SELECT 7, rel.oid::bigint, 'row security', rel.relname, rel.relname, rel.full_name,
      'ALTER TABLE ' || rel.full_name || ' ENABLE ROW LEVEL SECURITY' || CASE WHEN rel.relforcerowsecurity THEN ', FORCE ROW LEVEL SECURITY' ELSE '' END,
      'ALTER TABLE IF EXISTS ' || rel.full_name || ' NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY'
    FROM rel WHERE rel.relrowsecurity
  UNION ALL
  SELECT 8, o.oid::bigint, 'policy', o.polname, rel.relname, rel.full_name || '.' || quote_ident(o.polname),
      'CREATE POLICY ' || quote_ident(o.polname) || ' ON ' || rel.full_name || CASE WHEN o.polpermissive THEN '' ELSE ' AS RESTRICTIVE' END
        || CASE o.polcmd WHEN 'r' THEN ' FOR SELECT' WHEN 'a' THEN ' FOR INSERT' WHEN 'w' THEN ' FOR UPDATE' WHEN 'd' THEN ' FOR DELETE' ELSE '' END
        || ' TO ' || (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ') FROM unnest(o.polroles) r)
        || COALESCE(' USING (' || pg_get_expr(o.polqual, o.polrelid) || ')', '') || COALESCE(' WITH CHECK (' || pg_get_expr(o.polwithcheck, o.polrelid) || ')', ''),
      'DROP POLICY IF EXISTS ' || quote_ident(o.polname) || ' ON ' || rel.full_name
    FROM rel JOIN pg_policy o ON o.polrelid = rel.oid
  UNION ALL
  SELECT 9, t.oid::bigint, 'trigger', t.tgname, rel.relname, rel.full_name || '.' || quote_ident(t.tgname), pg_get_triggerdef(t.oid),
      'DROP TRIGGER IF EXISTS ' || quote_ident(t.tgname) || ' ON ' || rel.full_name
    FROM rel JOIN pg_trigger t ON t.tgrelid = rel.oid WHERE NOT t.tgisinternal
  UNION ALL
  SELECT 10, 0, 'comment', COALESCE(a.attname, rel.relname), rel.relname,
      rel.full_name || COALESCE('.' || quote_ident(a.attname), ''),
      format('COMMENT ON %s %s IS %L', CASE WHEN a.attname IS NOT NULL THEN 'COLUMN' WHEN rel.relkind = 'v' THEN 'VIEW' ELSE 'TABLE' END,
        rel.full_name || COALESCE('.' || quote_ident(a.attname), ''), s.description),
      format('COMMENT ON %s %s IS NULL', CASE WHEN a.attname IS NOT NULL THEN 'COLUMN' WHEN rel.relkind = 'v' THEN 'VIEW' ELSE 'TABLE' END,
        rel.full_name || COALESCE('.' || quote_ident(a.attname), ''))
    FROM rel JOIN pg_description s ON s.objoid = rel.oid AND s.classoid = 'pg_class'::regclass
      LEFT JOIN pg_attribute a ON a.attrelid = rel.oid AND a.attnum = s.objsubid AND s.objsubid > 0
    WHERE rel.relkind IN ('r', 'p', 'v')
  ) AS found ORDER BY rank, at, identity`

/** Reads the structure of the namespaces; none given: that of the connection. */
export async function readStructure(connection: Connection, schemas: readonly string[]): Promise<Structure> {
  const where =
    schemas.length > 0
      ? `ARRAY[${schemas.map(literal).join(', ')}]::name[]`
      : "ARRAY[COALESCE(current_schema(), current_setting('search_path'))]::name[]"
  const queries = [OBJECTS, LINES].map((sql) => sql.replace(/ANY\(\$1\)/g, () => `ANY(${where})`))
  const [found, rows] = (await connection.batch(queries)) as [Row[], Row[]]
  const objects = found.map(object)
  const lines = rows.map((row) => String(row.line))
  const texts = (value: unknown) => ((value ?? []) as string[]).filter((text) => text !== '')
  const repairs = new Map(
    rows.flatMap((row) =>
      row.rank === null || row.make === null
        ? []
        : [[String(row.line), { order: Number(row.rank), make: texts(row.make), remove: texts(row.remove) }] as const],
    ),
  )
  const kept = objects.filter(({ kind }) => kind !== 'extension')
  return {
    lines: [...lines, ...kept.map(({ kind, identity, make }) => `${kind} ${identity} ${make ?? ''}`)].sort(),
    objects,
    repairs,
  }
}

function object(row: Row): DatabaseObject {
  return {
    kind: String(row.kind),
    name: String(row.name),
    ...(row.on_table !== null && { table: String(row.on_table) }),
    identity: String(row.identity),
    make: row.make === null ? undefined : String(row.make),
    remove: String(row.remove),
  }
}
