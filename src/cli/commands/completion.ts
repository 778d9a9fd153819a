import { UsageError } from '../../errors.js'
import type { Command } from '../command.js'
import type { Candidate } from '../options.js'

export interface Completion {
  /** For the shell that was named. */
  readonly script?: string
  /** For the words of a line: what can stand where the cursor is. */
  readonly candidates?: readonly Candidate[]
}

/** It works anywhere, and what is wrong with a project is no concern of it: it opens none before it is asked for names. */
export const completion: Command<'completion', Record<never, never>, Completion> = {
  name: 'completion',
  usage: 'completion <shell>',
  passesOn: true,
  completes: { shell: ['bash', 'zsh', 'fish'] },
  purpose: 'print the script that completes command lines in bash, zsh or fish',
  options: {},
  examples: [
    ['eval "$(rays completion bash)"', 'in ~/.bashrc'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own.
    ['rays completion zsh > "${fpath[1]}/_rays"', 'once'],
    ['rays completion fish | source', 'in ~/.config/fish/config.fish'],
  ],
  library: {},
  run: async ({ args: { shell, rest }, open }) => {
    if (shell === 'words') {
      const { candidatesFor } = await import('../complete.js')
      const candidates = await withoutPrints(() => candidatesFor(Array.isArray(rest) ? rest : [], open))
      const lines = candidates.map(({ value, purpose }) => (purpose === '' ? value : `${value}\t${purpose}`))
      return { data: { candidates }, exitCode: 0, text: () => (lines.length === 0 ? '' : { raw: lines.join('\n') }) }
    }
    const { scriptFor } = await import('../shells.js')
    const script = scriptFor(String(shell))
    if (script === undefined) {
      throw new UsageError(`There is no completion for ${shell}.`, { hint: 'rays completion bash, zsh or fish.' })
    }
    return { data: { script }, exitCode: 0, text: () => ({ raw: script }) }
  },
}

/** What the code of a configuration prints is no answer to the shell. */
async function withoutPrints<T>(work: () => Promise<T>): Promise<T> {
  const { write } = process.stdout
  process.stdout.write = process.stderr.write.bind(process.stderr)
  try {
    return await work()
  } finally {
    process.stdout.write = write
  }
}
