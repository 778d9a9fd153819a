/** What `--help` says. */
import { createRequire } from 'node:module'
import type { Argv } from 'yargs'
import type { Command } from './command.js'
import { COMMANDS } from './commands/index.js'
import { OVERVIEW } from './commands/overview.js'
import { GLOBAL_OPTIONS } from './options.js'
import { version } from './version.js'

/** The help of a command, or of all of them. */
export async function help(command: Command): Promise<string> {
  const words = [...(command === OVERVIEW ? [] : [command.name]), '--help']
  let printed = ''
  const keep = (_error: unknown, _args: unknown, output: string) => {
    printed = output
  }
  await helpWriter(words, command).exitProcess(false).parseAsync(words, {}, keep)
  return printed
}

/** Knows every command, but only for its help: a line is read by the grammar. */
function helpWriter(words: readonly string[], command: Command): Argv {
  // The CommonJS form of yargs 17 wraps lines between words, which its ES module does not, and loads in a quarter of the
  // time of yargs 18.
  const yargs = createRequire(import.meta.url)('yargs/yargs') as (argv: readonly string[]) => Argv
  const parser = yargs(words)
    .scriptName('rays')
    .usage('Migrations for Prisma that go both ways.\n\nUsage: $0 <command> [options]')
    .example('rays init', 'begin in a project')
    .example('rays makemigration --name add_lastname', "write a migration from the schema's changes")
    .example('rays migrate', 'apply what is pending')
    .example('rays migrate --name -1', 'undo the last one')
    .example('rays status', 'see where things stand')
    .options(GLOBAL_OPTIONS)
    // Groups are printed in the order in which they are named: a command's own options before those of every command.
    .group(Object.keys(command.options), 'Options:')
    .group(Object.keys(GLOBAL_OPTIONS).concat('help', 'version'), 'Everywhere:')
    .version(version())
    .help()
    .alias('help', 'h')
    .wrap(100)
    .epilog('docs/commands.md describes every command; rays <command> --help prints its options.')
  for (const { name, usage, aliases = [], purpose, options, examples } of COMMANDS) {
    parser.command([usage, ...aliases], purpose, (builder) => {
      builder.usage(`${sentence(purpose)}\n\nUsage: rays ${usage} [options]`).options(options)
      if (name === command.name) for (const [line, what] of examples) builder.example(line, what)
      return builder
    })
  }
  return parser
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
