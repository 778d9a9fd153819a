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

/** PostgreSQL: a simple query. MySQL: a packet with the command 3, and from 8.0.23 with no attributes. The word alone, or the last of a message. */
function isCommit(chunk: Buffer): boolean {
  const text = chunk.toString('latin1')
  return /^Q....(?:.*;\s*)?COMMIT;?\s*\0$/s.test(text) || /^...\0\x03(?:\0\x01)?COMMIT$/s.test(text)
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

/** A message of the protocol as it stands in a stream: PostgreSQL's begin with a letter, MySQL's with their length. */
function messages(provider: 'postgresql' | 'mysql', data: Buffer, first: boolean): { whole: Buffer[]; rest: Buffer } {
  const whole: Buffer[] = []
  let rest = data
  for (;;) {
    const head = provider === 'mysql' ? 4 : first ? 4 : 5
    if (rest.length < head) return { whole, rest }
    const size =
      provider === 'mysql' ? 4 + rest.readUIntLE(0, 3) : first ? rest.readInt32BE(0) : 1 + rest.readInt32BE(1)
    if (rest.length < size) return { whole, rest }
    whole.push(rest.subarray(0, size))
    rest = rest.subarray(size)
    if (first) return { whole, rest }
  }
}

/** PostgreSQL's start-up message, or MySQL's answer to the greeting, with another database's name in it. */
function renamed(provider: 'postgresql' | 'mysql', message: Buffer, name: string): Buffer {
  if (provider === 'postgresql') {
    const words = message.subarray(8).toString('utf8').split('\0')
    for (let k = 0; k + 1 < words.length; k += 2) if (words[k] === 'database') words[k + 1] = name
    const body = Buffer.from(words.join('\0'))
    const head = Buffer.alloc(8)
    head.writeInt32BE(8 + body.length, 0)
    message.copy(head, 4, 4, 8)
    return Buffer.concat([head, body])
  }
  // Header, flags, largest packet, character set and 23 bytes for later; then the user, the password's answer, the database.
  const WITH_DATABASE = 8
  if ((message.readUInt32LE(4) & WITH_DATABASE) === 0) return message
  const user = message.indexOf(0, 36) + 1
  const from = user + 1 + message[user]!
  const to = message.indexOf(0, from)
  const body = Buffer.concat([message.subarray(4, from), Buffer.from(name), message.subarray(to)])
  const head = Buffer.from(message.subarray(0, 4))
  head.writeUIntLE(body.length, 0, 3)
  return Buffer.concat([head, body])
}

/** A server that leads every connection to the one database, whatever database it asks for. */
export async function oneDatabase(href: string, provider: 'postgresql' | 'mysql', name: string) {
  return eachClient(href, (client, upstream) => {
    let waiting: Buffer = Buffer.alloc(0)
    let begun = false
    client.on('data', (data) => {
      if (begun) return void upstream.write(data)
      waiting = Buffer.concat([waiting, data])
      const { whole, rest } = messages(provider, waiting, true)
      waiting = rest
      for (const message of whole) {
        // PostgreSQL: the question for TLS comes before the start-up message.
        const asks = provider === 'postgresql' && message.readInt32BE(4) === 80877103
        if (asks) {
          client.write('N')
          continue
        }
        begun = true
        upstream.write(Buffer.concat([renamed(provider, message, name), waiting]))
      }
    })
    upstream.on('data', (data) => client.write(data))
  })
}

/**
 * A proxy that keeps the session of a client that has said good-bye, and asks the query there, as the next client of such a
 * session would. Each answer as the bytes that came.
 */
export async function lastWords(href: string, provider: 'postgresql' | 'mysql', query: string) {
  const heard: string[] = []
  let open = 0
  const ask = () => {
    const text = Buffer.from(query)
    if (provider === 'mysql') {
      const head = Buffer.from([0, 0, 0, 0, 3])
      head.writeUIntLE(text.length + 1, 0, 3)
      return Buffer.concat([head, text])
    }
    const head = Buffer.alloc(5)
    head.write('Q')
    head.writeInt32BE(4 + text.length + 1, 1)
    return Buffer.concat([head, text, Buffer.from([0])])
  }
  const isGoodbye = (message: Buffer) =>
    provider === 'mysql' ? message.length === 5 && message[4] === 1 : message[0] === 'X'.charCodeAt(0)
  const server = await eachClient(href, (client, upstream) => {
    open += 1
    let said = false
    client.on('data', (data) => {
      const { whole } = messages(provider, data, false)
      const last = whole.at(-1)
      if (!last || !isGoodbye(last) || said) return void upstream.write(data)
      said = true
      let answer = Buffer.alloc(0)
      upstream.removeAllListeners('data')
      upstream.on('data', (more) => {
        answer = Buffer.concat([answer, more])
      })
      upstream.write(Buffer.concat([data.subarray(0, data.length - last.length), ask()]))
      setTimeout(() => {
        heard.push(answer.toString('latin1'))
        open -= 1
        upstream.destroy()
        client.destroy()
      }, 300)
    })
    upstream.on('data', (data) => client.write(data))
  })
  return {
    ...server,
    /** What each session answered that was left; resolves when no client is left. */
    heard: async (): Promise<readonly string[]> => {
      for (let k = 0; k < 100 && open > 0; k++) await new Promise((resolve) => setTimeout(resolve, 50))
      return heard
    },
  }
}

async function eachClient(href: string, meet: (client: Socket, upstream: Socket) => void) {
  const target = new URL(href)
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = dial(Number(target.port), target.hostname)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => undefined)
      from.on('close', () => setTimeout(() => to.destroy(), 1000).unref())
    }
    meet(client, upstream)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const through = new URL(href)
  through.port = String((server.address() as { port: number }).port)
  return {
    href: through.href,
    close: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
