import { ShadowRefusedError, type ShadowRequest } from '../../engines/engine.js'
import { mysql } from '../../engines/mysql/index.js'
import { shadowPrefix } from '../../engines/shadow-name.js'
import type { DatabaseUrl } from '../../engines/url.js'
import { address, describeMysql, inDatabase, name, OPTIONS, refusal, urlOf } from './mysql-databases.js'

const request = (url: DatabaseUrl, more: Partial<ShadowRequest> = {}): ShadowRequest => ({
  url,
  purpose: 'rays',
  knownTables: [],
  clear: false,
  connect: OPTIONS,
  ...more,
})

describeMysql('a shadow database', () => {
  test('is made for the purpose, empty, and gone afterwards', () =>
    inDatabase(async (db, url) => {
      const shadow = await mysql.openShadow(request(url))
      const made = shadow.connection.database
      expect(made).toMatch(/_rays_shadow_\d+_\d+_[0-9a-f]{8}$/)
      expect(made.length).toBeLessThanOrEqual(64)
      expect(await shadow.connection.identify()).not.toBe(await db.identify())
      await shadow.connection.execute('CREATE TABLE t (i INT)')
      await shadow.dispose()
      await shadow.dispose()
      expect(
        await db.raw('SELECT COUNT(*) AS n FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?', [made]),
      ).toEqual([{ n: 0 }])
    }))

  test('of a main database with the longest of names fits, and does not need the main database to exist', async () => {
    const shadow = await mysql.openShadow(request(urlOf(`${name()}${'ü'.repeat(46)}`)))
    expect([...shadow.connection.database].length).toBeLessThanOrEqual(64)
    await shadow.dispose()
  })

  test('is gone afterwards even when its session was killed', () =>
    inDatabase(async (db, url) => {
      const shadow = await mysql.openShadow(request(url))
      const [me] = await shadow.connection.raw('SELECT CONNECTION_ID() AS id')
      await db.raw(`KILL ${me?.id}`)
      await shadow.dispose()
      expect(
        await db.raw('SELECT COUNT(*) AS n FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?', [
          shadow.connection.database,
        ]),
      ).toEqual([{ n: 0 }])
    }))

  test('left behind by a run that died is removed by a later one; a young one and a foreign one stay', () =>
    inDatabase(async (db, url) => {
      const prefix = shadowPrefix(db.database, 64)
      const now = Math.floor(Date.now() / 1000)
      const dead = `${prefix}_rays_shadow_999999999_${now - 7200}_0123abcd`
      const young = `${prefix}_rays_shadow_999999999_${now - 60}_0123abcd`
      const living = `${prefix}_rays_shadow_${process.pid}_${now - 7200}_0123abcd`
      const foreign = `rays_test_zz_rays_shadow_999999999_${now - 7200}_0123abcd`
      const all = [dead, young, living, foreign]
      for (const each of all) await db.raw(`CREATE DATABASE ${each}`)
      try {
        const shadow = await mysql.openShadow(request(url))
        await shadow.dispose()
        const left = await db.raw(
          "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE '%0123abcd'",
        )
        expect(left.map((row) => row.name)).not.toContain(dead)
        expect(left.map((row) => row.name)).toEqual(expect.arrayContaining([young, living, foreign]))
      } finally {
        for (const each of all) await db.raw(`DROP DATABASE IF EXISTS ${each}`)
      }
    }))

  test('that is not permitted names the configuration that helps', () =>
    inDatabase(async (db) => {
      const user = name()
      await db.raw(`CREATE USER ${user} IDENTIFIED BY 'pw'`)
      try {
        await db.raw(`GRANT ALL ON ${db.database}.* TO ${user}`)
        const url = urlOf(db.database, { user: `${user}:pw` })
        const info = mysql.explain(await refusal(mysql.openShadow(request(url))))
        expect(info.kind).toBe('permission')
        expect(info.hint).toMatch('shadowDatabaseName')
      } finally {
        await db.raw(`DROP USER ${user}`)
      }
    }))
})

describeMysql('a configured shadow database', () => {
  test('is emptied before and after, and kept', () =>
    inDatabase((_, url) =>
      inDatabase(async (other) => {
        await other.script('CREATE TABLE known (i INT); CREATE TABLE _prisma_migrations (i INT);')
        const shadow = await mysql.openShadow(
          request(url, { configured: { name: other.database }, knownTables: ['known'] }),
        )
        expect(await shadow.connection.tables()).toEqual([])
        await shadow.connection.execute('CREATE TABLE t (i INT)')
        await shadow.dispose()
        expect(await other.tables()).toEqual([])
        expect(await other.raw('SELECT DATABASE() AS d')).toEqual([{ d: other.database }])
      }),
    ))

  test('that is the main database is refused in every spelling', () =>
    inDatabase(async (db, url) => {
      await db.script('CREATE TABLE t (i INT); INSERT INTO t VALUES (1);')
      const { port } = address()
      for (const configured of [
        { name: db.database },
        { url },
        { url: urlOf(db.database, { host: `LOCALHOST:${port}`, query: '?connection_limit=1' }) },
        { url: urlOf(db.database, { host: `127.1:${port}` }) },
      ]) {
        const error = await refusal(mysql.openShadow(request(url, { configured, clear: true })))
        expect(error).toBeInstanceOf(ShadowRefusedError)
      }
      expect(await db.query('SELECT * FROM t')).toEqual([{ i: 1 }])
    }))

  test('that holds foreign tables, or very many rows, is refused untouched', () =>
    inDatabase((_, url) =>
      inDatabase(async (other) => {
        await other.script('CREATE TABLE precious (i INT); INSERT INTO precious VALUES (1);')
        const configured = { url: urlOf(other.database) }
        const unknown = await refusal(mysql.openShadow(request(url, { configured })))
        expect(unknown).toBeInstanceOf(ShadowRefusedError)
        expect(unknown.message).toMatch('precious')
        expect(await other.query('SELECT COUNT(*) AS n FROM precious')).toEqual([{ n: 1 }])

        await other.execute(`INSERT INTO precious VALUES ${Array.from({ length: 1000 }, (_, i) => `(${i})`).join()}`)
        const many = await refusal(mysql.openShadow(request(url, { configured, clear: true })))
        expect(many).toBeInstanceOf(ShadowRefusedError)
        expect(many.message).toMatch('1000 rows')
        expect(await other.query('SELECT COUNT(*) AS n FROM precious')).toEqual([{ n: 1001 }])

        await other.execute('DELETE FROM precious WHERE i > 10')
        const shadow = await mysql.openShadow(request(url, { configured, clear: true }))
        expect(await shadow.connection.tables()).toEqual([])
        await shadow.dispose()
      }),
    ))

  test('cannot be a database of the server itself', () =>
    inDatabase(async (_, url) => {
      for (const system of ['mysql', 'SYS', 'information_schema', 'performance_schema']) {
        const error = await refusal(mysql.openShadow(request(url, { configured: { name: system }, clear: true })))
        expect(error).toBeInstanceOf(ShadowRefusedError)
      }
    }))
})
