export interface Server {
  readonly url: string
  readonly version: string
  readonly folder?: string
  pid?(): number
  crash?(): Promise<void>
  restart?(): Promise<void>
  stop(): Promise<void>
}
export interface ServerOptions {
  readonly settings?: readonly string[]
  readonly own?: boolean
  readonly programs?: string
}
export const HOW_TO_GET: Readonly<Record<string, string>>
export function startPostgres(options?: ServerOptions): Promise<Server | undefined>
export function startMysql(options?: ServerOptions): Promise<Server | undefined>
