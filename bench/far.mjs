// A database server as far away as it is from a developer's machine or a CI runner: a TCP proxy that delays what it passes on.
import { connect, createServer } from 'node:net'

/**
 * @template {{ provider: string, fresh(): Promise<{ url: string, drop(): Promise<void> }>, stop(): Promise<void> }} Database
 * @param {Database} database
 * @param {number} milliseconds for the way there and back
 * @returns {Promise<Database>} the same database at that distance; a file has none
 */
export async function farAway(database, milliseconds) {
  if (milliseconds === 0 || database.provider === 'sqlite') return database
  const proxies = new Map()
  const through = async (url) => {
    const at = new URL(url)
    if (!proxies.has(at.port)) proxies.set(at.port, await delay(Number(at.port), at.hostname, milliseconds / 2))
    at.port = String(proxies.get(at.port).address().port)
    return at.href
  }
  return {
    ...database,
    fresh: async () => {
      const { url, drop } = await database.fresh()
      return { url: await through(url), drop }
    },
    stop: async () => {
      for (const proxy of proxies.values()) proxy.close()
      await database.stop()
    },
  }
}

/** @param {number} milliseconds for each way */
function delay(port, host, milliseconds) {
  const server = createServer((client) => {
    const upstream = connect(port, host)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ]) {
      from.setNoDelay(true)
      from.on('data', (data) => setTimeout(() => to.destroyed || to.write(data), milliseconds))
      from.on('error', () => {})
      from.on('close', () => setTimeout(() => to.destroy(), milliseconds))
    }
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}
