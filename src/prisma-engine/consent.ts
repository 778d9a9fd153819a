/** How the command that starts Prisma hands consent to the engine that Prisma starts. */

/** `1`: any configured shadow database may be emptied; `=<name>`: that one. */
export const CONSENT = 'RAYS_CLEAR_SHADOW'

export function consentIn(env: NodeJS.ProcessEnv): boolean | string {
  const value = env[CONSENT] ?? ''
  return value.startsWith('=') ? value.slice(1) : value === '1'
}
