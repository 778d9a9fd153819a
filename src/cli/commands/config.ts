import type { Context } from '../../commands/host.js'
import type { Config } from '../../config/config.js'
import { command } from '../command.js'
import { work } from '../work.js'

export interface ConfigValue {
  readonly name: string
  readonly value: unknown
  readonly origin: string
}

const WORK = work(async () => async (context: Context) => configValues(context.config), {})

export const config = command({
  name: 'config',
  purpose: 'print each configuration value and where it came from',
  options: {},
  examples: [['rays config', '']],
  library: { config: WORK },
  run: ({ context }) => {
    if (context.config.refusal !== undefined) context.host.warn(context.config.refusal)
    return WORK.run(context, {})
  },
  text: (values, { paint }) => {
    const width = Math.max(...values.map(({ name }) => name.length))
    return values
      .map(({ name, value, origin }) => {
        const shown = typeof value === 'string' ? value : JSON.stringify(value)
        return `${name.padEnd(width)}  ${shown}  ${paint('dim', `(${origin})`)}`
      })
      .join('\n')
  },
})

function configValues(config: Config): readonly ConfigValue[] {
  const { origins } = config
  const values: [string, unknown, string?][] = [
    ['config file', config.file ?? 'none', 'found'],
    ['prisma config', config.prismaConfigFile ?? 'none', 'found'],
    ['schemaPath', config.schemaPath],
    ['migrationsDir', config.migrationsDir],
    ['databaseUrl', config.databaseUrl?.toString() ?? 'not set'],
    ['shadowDatabaseName', config.shadowDatabaseName],
    ['shadowDatabaseUrl', config.shadowDatabaseUrl?.toString() ?? null],
    ['verboseLogging', config.verboseLogging],
    ['schemaEngine', config.schemaEngine],
    ['generate', config.generate],
    ['lockTimeout', config.lockTimeoutMs / 1000],
    ['statementTimeout', config.statementTimeoutMs / 1000],
    ['connectTimeout', config.connectTimeoutMs / 1000],
    ['operationTimeout', config.operationTimeoutMs / 1000],
    ['singleTransaction', config.singleTransaction],
    ['lock', config.lock],
    ['externalTables', config.externalTables],
    ['externalEnums', config.externalEnums],
  ]
  return values.map(([name, value, origin]) => ({ name, value, origin: origin ?? origins[name] ?? 'default' }))
}
