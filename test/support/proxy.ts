/** A TCP proxy before a database server that holds or cuts the connection at a COMMIT. */
import { createServer, connect as dial, type Socket } from 'node:net'

/** What becomes of the COMMIT: held before the server gets it, or after; or the connection is cut there. */
export type AtCommit = 'hold-before' | 'hold-after' | 'cut-before' | 'cut-after'

export interface Proxy {
  /** The URL, led through the proxy. */
  readonly href: string
  /** Resolves when the COMMIT has come. */
  readonly reached: Promise<void>
  /** How many connections were made through it. */
  connections(): number
  /** Refuses new connections from now on. */
  down(): void
  close(): Promise<void>
}

/** @param nth which COMMIT, from 1; 0: none, it only counts connections */
export async function proxy(
  href: string,
  at: AtCommit,
  nth = 1,
  options: {
    readonly stayDown?: boolean
    /** Instead of COMMIT: a message with this text. */
    readonly when?: RegExp
    /** Only on a connection that has sent a message with this text before. */
    readonly after?: RegExp
  } = {},
): Promise<Proxy> {
  const meant = (chunk: Buffer) => options.when?.test(chunk.toString('latin1')) ?? isCommit(chunk)
  const target = new URL(href)
  const port = Number(target.port)
  const sockets = new Set<Socket>()
  let seen = 0
  let connections = 0
  let refusing = false
  let reach = () => {}
  const reached = new Promise<void>((resolve) => {
    reach = resolve
  })
  const server = createServer((client) => {
    if (refusing) return client.destroy()
    connections += 1
    const upstream = dial(port, target.hostname)
    let frozen = false
    let counts = options.after === undefined
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    const cut = () => {
      if (options.stayDown) refusing = true
      client.destroy()
      upstream.destroy()
    }
    client.on('data', (chunk) => {
      if (frozen) return
      if (!counts || !meant(chunk) || ++seen !== nth) {
        counts ||= options.after!.test(chunk.toString('latin1'))
        return upstream.write(chunk)
      }
      frozen = true
      if (at === 'hold-before') return reach()
      if (at === 'cut-before') {
        reach()
        return cut()
      }
      // The server's answer tells that it has committed; the client never sees it.
      upstream.removeAllListeners('data')
      upstream.once('data', () => {
        if (at === 'cut-after') cut()
        reach()
      })
      upstream.write(chunk)
    })
    upstream.on('data', (chunk) => client.write(chunk))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const through = new URL(href)
  through.port = String((server.address() as { port: number }).port)
  return {
    href: through.href,
    reached,
    connections: () => connections,
    down: () => {
      refusing = true
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

/** PostgreSQL: a simple query. MySQL: a packet with the command 3. The word alone, or the last of a message. */
function isCommit(chunk: Buffer): boolean {
  const text = chunk.toString('latin1')
  return /^Q....(?:.*;\s*)?COMMIT;?\s*\0$/s.test(text) || /^...\0\x03COMMIT$/s.test(text)
}

/**
 * The server at another address of this machine, which is its own as far as a URL is concerned. Undefined where this machine
 * has no such address, or somebody uses it.
 */
export async function alias(href: string, host: string, port: number) {
  const target = new URL(href)
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = dial(Number(target.port), target.hostname)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => undefined).on('close', () => to.destroy())
      from.pipe(to)
    }
  })
  const listening = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false)).listen(port, host, () => resolve(true))
  })
  if (!listening) return undefined
  return {
    port: (server.address() as { port: number }).port,
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
