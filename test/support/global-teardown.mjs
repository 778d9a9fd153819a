// Stops what global-setup.mjs has started.
export default async function globalTeardown() {
  await Promise.all((globalThis.__raysServers ?? []).map((server) => server.stop()))
}
