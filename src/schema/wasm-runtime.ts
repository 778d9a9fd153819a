/**
 * Prisma's schema engine as WebAssembly: loading it, calling it, and turning what goes wrong into errors. One runtime is
 * one instance of the module; a panic spoils an instance, so the next call loads another.
 */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { RaysError } from '../errors.js'

type Glue = typeof import('@prisma/schema-engine-wasm/schema_engine_bg')
type RawEngine = import('@prisma/schema-engine-wasm/schema_engine_bg').SchemaEngine

// The part of the WebAssembly API that is used; Node's types leave it to the browser's.
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: Record<string, unknown> } }>
  RuntimeError: new () => Error
}

/** What the engine answered when it refused: Prisma's code, where it has one, and the message without colours. */
export class EngineRefusal extends Error {
  override readonly name = 'EngineRefusal'
  /** `P1012`, `P3009`, ... */
  readonly code: string | undefined
  constructor(error: unknown) {
    const { message, code } = error as { message?: string; code?: string }
    super(plain(message ?? String(error)), { cause: error })
    this.code = code
  }
}

/** An engine that is connected through an adapter. */
export interface OpenEngine {
  /**
   * Calls a method of the engine by its JSON-RPC name.
   * @throws {EngineRefusal} for an answer of the engine; {@link RaysError} `E_ENGINE_PANIC` for a crash of it
   */
  call<T>(method: string, params: unknown): Promise<T>
  free(): void
}

export interface WasmRuntime {
  /** @param datamodels the schema files that the engine starts with; undefined where each call brings its own */
  open(adapter: unknown, datamodels?: readonly (readonly [path: string, content: string])[]): Promise<OpenEngine>
  /** The commit of Prisma's engine. */
  version(): Promise<string>
}

export type EngineLog = (level: string, message: string) => void

/** A runtime that loads the engine when it is first needed. */
export function createWasmRuntime(onLog?: EngineLog): WasmRuntime {
  let loading: Promise<Instance> | undefined
  const instance = () => {
    loading ??= load().catch((error) => {
      loading = undefined
      throw error
    })
    return loading
  }
  return {
    version: async () => (await instance()).glue.version(),
    open: async (adapter, datamodels) => {
      const current = await instance()
      const guarded = <T>(work: () => Promise<T>) =>
        current.guard(work).catch((error: unknown) => {
          if (current.crashed()) loading = undefined
          throw error
        })
      const engine = await guarded(() =>
        current.glue.SchemaEngine.new(
          { datamodels: datamodels?.map(([name, content]) => [name, content]) },
          (line: string) => log(line, onLog),
          adapter as object,
        ),
      )
      return {
        call: <T>(method: string, params: unknown) => {
          const call = (engine as unknown as Record<string, (params: unknown) => Promise<T>>)[method]
          if (typeof call !== 'function') {
            throw new RaysError('E_ENGINE', 1, `Prisma's engine in this process has no method "${method}"`, {
              hint: 'Run the command with the version of Prisma that this version of rays was made for.',
            })
          }
          return guarded(() => call.call(engine, params))
        },
        free: () => {
          if (!current.crashed()) (engine as RawEngine).free()
        },
      }
    },
  }
}

interface Instance {
  readonly glue: Glue
  /** Runs a call so that it fails when the engine panics; by itself it would never end. */
  guard<T>(work: () => Promise<T>): Promise<T>
  crashed(): boolean
}

async function load(): Promise<Instance> {
  const file = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg')
  // The glue code keeps its instance in a variable of the module, so every instance gets a module of its own.
  const glue = (await import(`${pathToFileURL(file).href}?instance=${randomUUID()}`)) as Glue & Record<string, unknown>
  const pending = new Set<(error: unknown) => void>()
  let panic: RaysError | undefined
  const fail = (error: unknown) => {
    panic ??= panicError(error)
    for (const reject of pending) reject(panic)
    pending.clear()
  }
  // Where the generated code has a panic's text written. It is a global; panics are synchronous, so it needs no owner.
  const registry = globalThis as { PRISMA_WASM_PANIC_REGISTRY?: { message?: string; set_message(text: string): void } }
  registry.PRISMA_WASM_PANIC_REGISTRY ??= {
    set_message(text) {
      this.message = text
    },
  }
  const bytes = await readFile(path.join(path.dirname(file), 'schema_engine_bg.wasm'))
  const { instance } = await WebAssembly.instantiate(bytes, {
    './schema_engine_bg.js': withTraps(glue, fail),
  })
  glue.__wbg_set_wasm(instance.exports)
  ;(instance.exports.__wbindgen_start as () => void)()
  return {
    glue,
    crashed: () => panic !== undefined,
    guard: (work) =>
      new Promise((resolve, reject) => {
        if (panic) return reject(panic)
        pending.add(reject)
        const done = () => pending.delete(reject)
        let call: ReturnType<typeof work>
        try {
          call = work()
        } catch (error) {
          done()
          if (error instanceof WebAssembly.RuntimeError) fail(error)
          reject(panic ?? new EngineRefusal(error))
          return
        }
        call.then(
          (value) => {
            done()
            resolve(value)
          },
          (error: unknown) => {
            done()
            reject(error instanceof WebAssembly.RuntimeError ? panicError(error) : new EngineRefusal(error))
          },
        )
      }),
  }
}

/**
 * The module's imports, with its callbacks guarded. The engine's futures are polled from promise callbacks and
 * microtasks; an exception there belongs to nobody and would end the process.
 */
function withTraps(glue: Record<string, unknown>, fail: (error: unknown) => void): Record<string, unknown> {
  const guard = (callback: unknown) =>
    typeof callback !== 'function'
      ? callback
      : (...args: unknown[]) => {
          try {
            return callback(...args)
          } catch (error) {
            fail(error)
          }
        }
  const imports: Record<string, unknown> = { ...glue }
  for (const [name, original] of Object.entries(glue)) {
    if (typeof original !== 'function') continue
    if (name.startsWith('__wbg_then_')) {
      imports[name] = (promise: unknown, ...callbacks: unknown[]) => original(promise, ...callbacks.map(guard))
    } else if (name.startsWith('__wbg_queueMicrotask_') && original.length === 1) {
      // One import of that name asks for the function, the other calls it.
      imports[name] = (value: unknown) => original(typeof value === 'function' ? guard(value) : value)
    }
  }
  return imports
}

function panicError(error: unknown): RaysError {
  const registry = (globalThis as { PRISMA_WASM_PANIC_REGISTRY?: { message?: string } }).PRISMA_WASM_PANIC_REGISTRY
  const told = registry?.message ?? (error instanceof Error ? error.message : String(error))
  if (registry) registry.message = undefined
  return new RaysError('E_ENGINE_PANIC', 1, `Prisma's schema engine crashed: ${plain(told)}`, {
    cause: error,
    hint: 'Nothing was changed. Set `schemaEngine: "prisma-cli"` in raysconfig.js to use the project\'s own Prisma instead.',
  })
}

function log(line: string, onLog: EngineLog | undefined): void {
  if (!onLog) return
  try {
    const { level, fields } = JSON.parse(line) as { level: string; fields: { message?: string } }
    onLog(level.toLowerCase(), fields.message ?? '')
  } catch {
    onLog('info', line)
  }
}

/** Without colours and without the engine's own stack (`0: schema_core::...`). */
function plain(text: string): string {
  const clean = text.replace(/\u001b\[[0-9;]*m/g, '')
  const stack = /\n\s+0: [a-z_]+::/.exec(clean)
  return (stack ? clean.slice(0, stack.index) : clean).trimEnd()
}
