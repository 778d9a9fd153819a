/**
 * A command in one value: words, options, examples, work and text. The command line, `--help`, docs/commands.md and the
 * library come from it. What a handler is given is inferred from the command's own words and options.
 */
import type { Context } from '../commands/host.js'
import type { Config } from '../config/config.js'
import { linewise, type Outcome, type Text } from './format.js'
import type { CamelCase, Completes, GLOBAL_OPTIONS, Option, Options, ValueOf } from './options.js'
import type { Paint, Terminal } from './terminal.js'
import type { Methods } from './work.js'

/** What one argument was read as. */
export type Value = boolean | number | string | readonly string[] | undefined
/** What a line says, read by a command's tables: options in camel case, and words by their names. */
export type Values = Readonly<Record<string, Value>>

/** With a default it is always there. */
type Argument<O extends Option> = O extends { readonly default: boolean | string } ? ValueOf<O> : ValueOf<O> | undefined

type OptionArguments<O extends Options> = {
  readonly [Name in keyof O & string as CamelCase<Name>]: Argument<O[Name]>
}

/** `<needed>`, `[optional]`, `[many..]`. */
type WordArgument<Word extends string> = Word extends `<${infer Name}..>` | `[${infer Name}..]`
  ? { readonly [_ in Name]: readonly string[] }
  : Word extends `<${infer Name}>`
    ? { readonly [_ in Name]: string }
    : Word extends `[${infer Name}]`
      ? { readonly [_ in Name]: string | undefined }
      : object

type WordArguments<Words extends string> = Words extends `${infer First} ${infer Rest}`
  ? WordArgument<First> & WordArguments<Rest>
  : WordArgument<Words>

/** What a handler is given of the line. */
export type Arguments<O extends Options, Words extends string> = OptionArguments<typeof GLOBAL_OPTIONS> &
  OptionArguments<O> &
  WordArguments<Words> & {
    /** What stands behind `--`, where the command passes it on. */
    readonly rest?: readonly string[]
  }

export interface Request<Args> {
  readonly context: Context
  readonly args: Args
  readonly terminal: Terminal
}

/** What a text is written with. */
export interface View<Args = object> {
  readonly paint: Paint
  readonly config: Config
  readonly args: Args
}

/** The part of a command that help and grammar read. */
export interface Wording {
  readonly name: string
  readonly aliases?: readonly string[]
  /** Its word may be a number, so that a 1 behind a switch is not the switch's. */
  readonly counts?: true
  /** What stands behind `--` is for another program. */
  readonly passesOn?: true
  /** What a shell offers for its words, by their names. */
  readonly completes?: Readonly<Record<string, Completes | undefined>>
  /** One line: what it is for. */
  readonly purpose: string
  /** Command lines and what they do. */
  readonly examples: readonly (readonly [string, string])[]
}

interface Definition<Name extends string, Words extends string, O extends Options, Library extends Methods, Result>
  extends Wording {
  readonly name: Name
  readonly completes?: { readonly [_ in keyof WordArguments<Words>]?: Completes }
  /** `<needed>`, `[optional]`, `[many..]`; the last takes all that is left. */
  readonly words?: Words
  readonly options: O
  /** The methods of the library that do the same work. */
  readonly library: Library
  /** Does the work, which it loads when it is called: the table of commands is read for every line. */
  readonly run: (request: Request<Arguments<O, Words>>) => Promise<Result>
  /**
   * The result for a person; an empty text prints nothing.
   * @param result with every name and value on one line: they come from a database or a folder, and none may begin a line
   * of its own
   */
  readonly text: (result: Result, view: View<Arguments<O, Words>>) => Text
  /** Where a result is not what was asked for. Default: 0. */
  readonly exitCode?: (result: Result, args: Arguments<O, Words>) => number
}

export interface Command<Name extends string = string, Library extends Methods = Methods, Result = unknown>
  extends Wording {
  readonly name: Name
  /** The name and the words that it takes: `import <format> <folder>`. */
  readonly usage: string
  readonly options: Options
  readonly library: Library
  /** @param call gives the project that the line is about to a command that works on one */
  readonly run: (call: Call) => Promise<Outcome<Result>>
}

export interface Call {
  readonly args: Values
  readonly terminal: Terminal
  readonly open: () => Promise<Context>
}

/** @param definition everything that there is to say about a command */
export function command<
  const Name extends string,
  const O extends Options,
  const Library extends Methods,
  Result,
  const Words extends string = '',
>(definition: Definition<Name, Words, O, Library, Result>): Command<Name, Library, Result> {
  const { words, run, text, exitCode, ...wording } = definition
  return {
    ...wording,
    usage: [definition.name, ...(words === undefined ? [] : [words])].join(' '),
    run: async ({ open, terminal, args: values }) => {
      const context = await open()
      // The grammar has read the values by the very tables that the type is made of.
      const args = values as Arguments<O, Words>
      const data = await run({ context, args, terminal })
      return {
        data,
        exitCode: exitCode?.(data, args) ?? 0,
        text: (paint) => text(linewise(data), { paint, config: context.config, args }),
      }
    },
  }
}
