import fc from 'fast-check'
import { databaseView, NO_TABLES, planMigration } from '../../../engines/mysql/planner/index.js'
import { databases } from './arbitrary.js'

const views = fc.constantFrom('schema', 'database')
const flags = fc.record({ mariadb: fc.boolean(), copyPrisma: fc.boolean() })

describe('for any two databases', () => {
  test('a database does not differ from itself', () => {
    fc.assert(
      fc.property(databases, views, flags, (tables, view, options) => {
        expect(planMigration({ from: tables, to: tables, view, ...options })).toMatchObject({ empty: true, steps: [] })
      }),
    )
  })

  test('the plan from nothing creates every table once, and its downs drop every table once', () => {
    fc.assert(
      fc.property(databases, (tables) => {
        const { steps } = planMigration({ from: NO_TABLES, to: tables, view: 'schema' })
        const ups = steps.flatMap(({ up }) => up)
        const downs = steps.flatMap(({ down }) => down)
        for (const { name } of tables.tables) {
          expect(ups.filter((sql) => sql.startsWith(`CREATE TABLE \`${name}\``))).toHaveLength(1)
          expect(downs.filter((sql) => sql === `DROP TABLE \`${name}\``)).toHaveLength(1)
        }
      }),
    )
  })

  test('the ups are the statements of the script, one by one', () => {
    fc.assert(
      fc.property(databases, databases, views, flags, (from, to, view, options) => {
        const { script, steps } = planMigration({ from, to, view, ...options })
        const ups = steps.flatMap(({ up }) => up.map((sql) => `${sql};\n`)).join('')
        expect(
          script
            .replace(/^-- .*\n?/gm, '')
            .replace(/\n\n/g, '\n')
            .trim(),
        ).toBe(ups.replace(/\n\n/g, '\n').trim())
      }),
    )
  })

  test('every step has a down', () => {
    fc.assert(
      fc.property(databases, databases, views, flags, (from, to, view, options) => {
        for (const { up, down } of planMigration({ from, to, view, ...options }).steps) {
          expect(up).toHaveLength(1)
          expect(down.length).toBeGreaterThan(0)
          for (const sql of [...up, ...down]) expect(sql).not.toMatch(/;\s*$|undefined/)
        }
      }),
    )
  })

  test('the view as a database is stable', () => {
    fc.assert(
      fc.property(databases, (tables) => {
        expect(databaseView(databaseView(tables))).toEqual(databaseView(tables))
      }),
    )
  })
})
