/** What every text for a person is put together with. */
import type { Paint } from '../terminal.js'

/** The parts that there are, one below the other. */
export function lines(...parts: readonly (string | false | undefined)[]): string {
  return parts.filter((part) => part !== false && part !== undefined && part !== '').join('\n')
}

/** The likely next command. */
export function next({ paint }: { readonly paint: Paint }, command: string): string {
  return `${paint('dim', 'Next:')} ${command}`
}

export function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}

/** `1 migration`, `2 migrations`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
