/** What counts as a change of a schema. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { changesIn, type Watched } from '../../../src/commands/watch.js'

describe('waiting for a change of the schema', () => {
  let folder: string
  let controller: AbortController
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'rays-watch-'))
    controller = new AbortController()
  })
  afterEach(() => {
    controller.abort()
    rmSync(folder, { recursive: true, force: true })
  })

  const at = (name: string) => path.join(folder, name)
  const write = (name: string, text = 'model A {}') => {
    mkdirSync(path.dirname(at(name)), { recursive: true })
    writeFileSync(at(name), text)
  }
  /** What is told while the work is done, and a while after it: how many bursts of changes. */
  const bursts = async (watched: Watched, work: () => void | Promise<void>) => {
    let count = 0
    const warnings: string[] = []
    const following = (async () => {
      for await (const _ of changesIn(watched, controller.signal, (text) => warnings.push(text))) count += 1
    })()
    await sleep(300)
    await work()
    await sleep(700)
    controller.abort()
    await following
    expect(warnings).toEqual([])
    return count
  }

  test('a file that is written, in several steps, is one change', async () => {
    write('schema.prisma')
    const steps = async () => {
      for (const text of ['model B', 'model B {', 'model B {}']) {
        write('schema.prisma', text)
        await sleep(20)
      }
    }
    expect(await bursts({ path: at('schema.prisma'), layout: 'file' }, steps)).toBe(1)
  })

  test('a file that another one takes the place of is a change, twice as well', async () => {
    write('schema.prisma')
    const replace = async () => {
      for (const text of ['model B {}', 'model C {}']) {
        write('new', text)
        renameSync(at('new'), at('schema.prisma'))
        await sleep(400)
      }
    }
    expect(await bursts({ path: at('schema.prisma'), layout: 'file' }, replace)).toBe(2)
  })

  test('what lies beside the file is none', async () => {
    write('schema.prisma')
    const beside = () => {
      write('other.prisma')
      write('migrations/1_a/migration.sql')
      write('migrations/schema.prisma')
    }
    expect(await bursts({ path: at('schema.prisma'), layout: 'file' }, beside)).toBe(0)
  })

  test('in a folder every schema file counts, however deep, and one that goes away', async () => {
    write('a.prisma')
    write('deep/b.prisma')
    const change = async () => {
      write('deep/deeper/c.prisma')
      await sleep(400)
      write('deep/b.prisma', 'model B { id Int @id }')
      await sleep(400)
      rmSync(at('a.prisma'))
    }
    expect(await bursts({ path: folder, layout: 'folder' }, change)).toBe(3)
    controller = new AbortController()
    expect(await bursts({ path: folder, layout: 'folder' }, () => write('deep/migration.sql'))).toBe(0)
  })

  test('a signal that came before ends it at once', async () => {
    write('schema.prisma')
    controller.abort()
    const all = []
    for await (const each of changesIn(
      { path: at('schema.prisma'), layout: 'file' },
      controller.signal,
      () => undefined,
    ))
      all.push(each)
    expect(all).toEqual([])
  })
})
