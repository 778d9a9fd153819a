/**
 * rays' stand-in for Prisma's schema engine: what the `prisma` command starts through PRISMA_SCHEMA_ENGINE_BINARY. It
 * speaks the engine's JSON-RPC, one message a line, and says nothing else.
 */
import { createInterface } from 'node:readline'
import { createWasmRuntime } from '../schema/wasm-runtime.js'
import { expectShortRun } from '../short-run.js'
import { type EngineArguments, parseArguments } from './arguments.js'
import { createCalls } from './calls.js'
import { connect, createDatabase, PrismaError, prismaError, targetOf } from './database.js'

export interface EngineStreams {
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream
  readonly errors: NodeJS.WritableStream
  /** Aborted when the process is asked to end. */
  readonly signal: AbortSignal
}

/** Runs the engine until its input ends. Returns the exit code. */
export async function runPrismaEngine(argv: readonly string[], cwd: string, streams: EngineStreams): Promise<number> {
  expectShortRun()
  const args = parseArguments(argv)
  if (args.mode === 'version') {
    streams.output.write(`schema-engine-cli ${await createWasmRuntime().version()}\n`)
    return 0
  }
  return args.mode === 'command' ? runCommand(args, cwd, streams) : serve(args, cwd, streams)
}

/** Prisma reads the commands' answers as log lines, and leaves out the first of them. */
async function runCommand(args: EngineArguments, cwd: string, { errors }: EngineStreams): Promise<number> {
  const log = (level: 'INFO' | 'ERROR', fields: object) => {
    const line = { timestamp: new Date().toISOString(), level, fields, target: 'schema_engine::logger' }
    errors.write(`${JSON.stringify(line)}\n`)
  }
  log('INFO', { message: 'Starting schema engine CLI' })
  try {
    const target = await targetOf(args.url, cwd)
    switch (args.command) {
      case 'can-connect-to-database': {
        const connection = await connect(target)
        await connection.close()
        break
      }
      case 'create-database':
        await createDatabase(target)
        log('INFO', { message: 'The database was successfully created.' })
        break
      case 'drop-database':
        throw new PrismaError(
          undefined,
          'rays never drops a database. Use prisma migrate reset, or your database’s own command.',
        )
      default:
        throw new PrismaError(undefined, `Prisma's engine has no command "${args.command ?? ''}"`)
    }
    return 0
  } catch (error) {
    const { code, message } = prismaError(error)
    log('ERROR', { is_panic: false, error_code: code ?? 'P1014', message })
    return 1
  }
}

interface Request {
  readonly id?: number | string
  readonly method?: string
  readonly params?: unknown
}

async function serve(args: EngineArguments, cwd: string, { input, output, signal }: EngineStreams): Promise<number> {
  const calls = createCalls(args, cwd)
  const send = (message: object) => output.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
  const stop = () => lines.close()
  signal.addEventListener('abort', stop, { once: true })
  // Requests of the engine to Prisma are numbered apart from Prisma's own.
  let printed = 1_000_000
  try {
    for await (const line of lines) {
      const request = parse(line)
      if (!request?.method) continue
      const { id, method } = request
      const params = (Array.isArray(request.params) ? request.params[0] : request.params) ?? {}
      try {
        let result = await calls.answer(method, params as Record<string, unknown>)
        if (method === 'diff') {
          const { exitCode, stdout } = result as { exitCode: number; stdout?: string | null }
          if (stdout != null) {
            send({ id: printed++, method: 'print', params: { content: stdout.replace(/\n$/, '') } })
          }
          result = { exitCode }
        }
        send({ id, result })
      } catch (error) {
        send({ id, error: rpcError(error) })
      }
      if (signal.aborted) break
    }
    return 0
  } finally {
    await calls.close()
  }
}

function parse(line: string): Request | undefined {
  try {
    return JSON.parse(line) as Request
  } catch {
    return undefined
  }
}

/** JSON-RPC's error object as Prisma reads it (Prisma: schema-engine-cli, json_rpc). */
function rpcError(error: unknown): object {
  const { code, message } = prismaError(error)
  return {
    code: 4466,
    message: 'An error happened. Check the data field for details.',
    data: { is_panic: false, message, meta: null, ...(code !== undefined && { error_code: code }) },
  }
}
