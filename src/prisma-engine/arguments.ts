/** The command line by which Prisma starts its schema engine. Pure. */

export interface EngineArguments {
  readonly mode: 'version' | 'command' | 'rpc'
  /** `can-connect-to-database`, `create-database` or `drop-database`, in mode `command`. */
  readonly command: string | undefined
  readonly datamodels: readonly string[]
  readonly url: string | undefined
  readonly shadowUrl: string | undefined
}

/** Flags that take a value; Prisma may add others that concern only its own engine. */
const VALUED = ['--datamodels', '--datamodel', '-d', '--datasource', '--enabled-preview-features', '--extension-types']

/** Reads `--datamodels <file>... --datasource <json>` and `cli <command>`. */
export function parseArguments(argv: readonly string[]): EngineArguments {
  const datamodels: string[] = []
  let datasource: { url?: string; shadowDatabaseUrl?: string } = {}
  const words: string[] = []
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i]!
    const equals = argument.startsWith('--') ? argument.indexOf('=') : -1
    const flag = equals === -1 ? argument : argument.slice(0, equals)
    if (!VALUED.includes(flag)) {
      words.push(argument)
      continue
    }
    const value = equals === -1 ? (argv[++i] ?? '') : argument.slice(equals + 1)
    if (flag.startsWith('--datamodel') || flag === '-d') datamodels.push(value)
    // Prisma 7 sends JSON, Prisma 6 the URL itself.
    if (flag === '--datasource') {
      datasource = value.trimStart().startsWith('{') ? (JSON.parse(value) as typeof datasource) : { url: value }
    }
  }
  const cli = words.indexOf('cli')
  return {
    mode: words.some((word) => word === '--version' || word === '-V') ? 'version' : cli === -1 ? 'rpc' : 'command',
    command: cli === -1 ? undefined : words[cli + 1],
    datamodels,
    url: datasource.url || undefined,
    shadowUrl: datasource.shadowDatabaseUrl || undefined,
  }
}
