import { availableParallelism } from 'node:os'

// The fast, pure tests come first; what needs servers or whole processes follows.
const shared = {
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: { '^.+\\.ts$': '<rootDir>/test/support/transform.cjs' },
  testEnvironment: 'node',
}
const project = (displayName, extra = {}) => ({
  ...shared,
  displayName,
  testMatch: [`<rootDir>/test/${displayName}/**/*.test.ts`],
  ...extra,
})

// Belongs to the projects that need it: a run of the pure tests alone starts no server.
const withServers = {
  globalSetup: '<rootDir>/test/support/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
  setupFilesAfterEnv: ['<rootDir>/test/support/retry.ts'],
}

export default {
  // A machine that is busy takes several times as long; a command that hangs is ended after a minute of its own.
  testTimeout: 180_000,
  // The tests often wait for servers and for processes of their own: one more than there are cores keeps all of these busy.
  maxWorkers: availableParallelism() + 1,
  testSequencer: '<rootDir>/test/support/sequencer.cjs',
  reporters: ['default', '<rootDir>/test/support/count-cases.mjs'],
  projects: [
    project('unit'),
    project('engines', withServers),
    project('commands', withServers),
    project('faults', withServers),
  ],
}
