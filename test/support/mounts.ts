/** File systems of their own, where this process may mount them. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** Runs `mount <args> <folder>`; undefined where that is not permitted. */
export function mount(args: readonly string[], folder: string): (() => void) | undefined {
  mkdirSync(folder, { recursive: true })
  if (process.getuid?.() !== 0 || spawnSync('mount', [...args, folder]).status !== 0) return undefined
  return () => void spawnSync('umount', ['-l', folder])
}

/** A small disk of its own. */
export function tmpfs(size: string, parent = tmpdir()): { folder: string; remove(): void } | undefined {
  const folder = mkdtempSync(path.join(parent, 'rays-test-disk-'))
  const unmount = mount(['-t', 'tmpfs', '-o', `size=${size},mode=0777`, 'tmpfs'], folder)
  const remove = () => rmSync(folder, { recursive: true, force: true })
  if (unmount === undefined) {
    remove()
    return undefined
  }
  return {
    folder,
    remove: () => {
      unmount()
      remove()
    },
  }
}

const probe = tmpfs('1m')
probe?.remove()
/** Why a test that mounts something is skipped. */
export const noMount = probe ? undefined : 'no right to mount a tmpfs'
