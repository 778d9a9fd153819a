/**
 * What a command does, as the command line and the library call it: a function of src/commands that is loaded when it is
 * first called, and a table of the options that it takes. The compiler compares the table with the function's own type, so
 * that no option is missing, superfluous, or of another kind.
 */
import type { Context } from '../commands/host.js'
import type { ListOption, NumberOption, Option, Switch, TextOption } from './options.js'

// biome-ignore lint/suspicious/noExplicitAny: what a function takes and returns is in its own type.
export type Task = (context: Context, options: any) => Promise<unknown>

/** Options that only a program can give. */
export interface ProgramOption {
  readonly type: 'function' | 'object' | 'count'
  readonly describe: string
}
export type Taken = Option | ProgramOption

/** The kind of option that a value of this type is read by. */
type KindOf<Value> = [Value] extends [boolean]
  ? Switch & { readonly named?: false }
  : [Value] extends [number]
    ? NumberOption | (ProgramOption & { readonly type: 'count' })
    : [Value] extends [string]
      ? string extends Value
        ? TextOption
        : TextOption & { readonly choices: readonly Value[] }
      : [Value] extends [boolean | string]
        ? Switch & { readonly named: true }
        : [Value] extends [readonly string[]]
          ? ListOption & { readonly none?: false }
          : [Value] extends [readonly string[] | false]
            ? ListOption & { readonly none: true }
            : [Value] extends [(...values: never[]) => unknown]
              ? ProgramOption & { readonly type: 'function' }
              : ProgramOption & { readonly type: 'object' }

/** The options of a function, all of which may be left out where its type says so. */
export type OptionsOf<F extends Task> = Parameters<F> extends [unknown] ? object : NonNullable<Parameters<F>[1]>

type Table<F extends Task> = {
  readonly [Name in keyof OptionsOf<F>]-?: KindOf<NonNullable<OptionsOf<F>[Name]>>
}

export interface Work<F extends Task = Task> {
  readonly load: () => Promise<F>
  /** Every option by its name in code. */
  readonly takes: Readonly<Record<string, Taken>>
  /** Loads and calls the function with those of the arguments that it takes. */
  readonly run: (context: Context, args: OptionsOf<F>) => Promise<Awaited<ReturnType<F>>>
}

/** @param takes each option of the function by its name in code, as the command line or a program gives it */
export function work<F extends Task>(load: () => Promise<F>, takes: Table<F>): Work<F>
export function work(load: () => Promise<Task>, takes: Readonly<Record<string, Taken>>): Work {
  return {
    load,
    takes,
    run: async (context, args) => {
      const task = await load()
      const taken = Object.entries(args).filter(([name, value]) => value !== undefined && Object.hasOwn(takes, name))
      return task(context, Object.fromEntries(taken))
    },
  }
}

/** What the library has of one command: methods by their names. */
export type Methods = Readonly<Record<string, Work>>
